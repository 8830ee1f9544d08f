"""Addresses that guests make themselves: both sides know guests by them."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network

LINK_LOCAL = IPv6Network("fe80::/64")


def eui64(prefix: IPv4Network | IPv6Network, mac: str) -> str:
    """The address that a card with this MAC makes itself in a /64 (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    interface = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(IPv6Address(int(prefix.network_address) | int.from_bytes(interface, "big")))


def link_local(mac: str) -> str:
    """The address that the card has on its link."""
    return eui64(LINK_LOCAL, mac)
