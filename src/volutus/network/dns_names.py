"""Names of ports and floating IPs, and the domains below which they are known."""

import re
from collections.abc import Sequence

from volutus.network.errors import InvalidInput

# Below this are the names of networks that name no domain; the same as in every OpenStack cloud.
DEFAULT_DOMAIN = "openstacklocal"
NAME_LENGTH_MAX = 255
_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")


def check(dns_name: str, dns_domain: str = "") -> None:
    """Raises InvalidInput for what no resolver would look up. Empty names are none."""
    for field, value in (("dns_name", dns_name), ("dns_domain", dns_domain)):
        labels = value.rstrip(".").split(".") if value else []
        if len(value) > NAME_LENGTH_MAX or not all(_LABEL.fullmatch(label) for label in labels):
            raise InvalidInput(
                f"Invalid input for {field}. Reason: '{value[:80]}' not a valid PQDN or FQDN.", field=field
            )


def domain(*given: str) -> str:
    """The first domain that is given, without the dot at its end; else the default one."""
    return next((one.rstrip(".") for one in given if one), DEFAULT_DOMAIN)


def assignments(dns_name: str, below: str, addresses: Sequence[str]) -> list[tuple[str, str, str]]:
    """Address, host name and full name of each address. Without a name the address makes one."""
    found = []
    for address in addresses:
        host = dns_name or f"host-{address.replace('.', '-').replace(':', '-')}"
        full = host if host.endswith(".") else f"{host}.{below}."
        found.append((address, host, full))
    return found
