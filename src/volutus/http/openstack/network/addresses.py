"""Addresses in bodies: checked, and brought to the one spelling that the domain compares."""

import ipaddress
import re

from volutus.network.errors import InvalidInput

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def one(text: str, field: str) -> str:
    """An IP address. Raises InvalidInput naming the field."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidInput(
            f"Invalid input for {field}. Reason: '{text}' is not a valid IP address.", field=field
        ) from None


def network(text: str, field: str) -> str:
    """A network in CIDR notation, without host bits."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise InvalidInput(
            f"Invalid input for {field}. Reason: '{text}' is not a valid IP subnet.", field=field
        ) from None


def one_or_network(text: str, field: str) -> str:
    """Either of the two."""
    return network(text, field) if "/" in text else one(text, field)


def mac(text: str, field: str) -> str:
    """A hardware address. A group's (its first octet odd) is one that no server's port can have."""
    lowered = text.strip().lower().replace("-", ":")
    if not _MAC.fullmatch(lowered) or lowered == "00:00:00:00:00:00":
        raise InvalidInput(
            f"Invalid input for {field}. Reason: '{text}' is not a valid MAC address.", field=field
        )
    return lowered
