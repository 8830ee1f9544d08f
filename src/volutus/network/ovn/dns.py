"""The names of a network's ports as a northbound row: each host answers its own guests from it."""

from ipaddress import ip_address

from volutus.network.ovn.model import NetworkView
from volutus.network.ovn.rows import Row, make_row


def dns_row(view: NetworkView) -> Row | None:
    """Host names alone and below the network's domain, and addresses back to names; None without names."""
    if not view.names:
        return None
    records: dict[str, str] = {}
    for name, addresses in view.names:
        full = name if "." in name or not view.domain else f"{name}.{view.domain}"
        for known in {name, full}:
            # OVN looks names up in lower case.
            records.setdefault(known.lower(), " ".join(addresses))
        for address in addresses:
            records.setdefault(ip_address(address).reverse_pointer, full.lower())
    return make_row("DNS", view.id, records=records)
