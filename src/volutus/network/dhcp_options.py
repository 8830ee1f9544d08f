"""DHCP options that a port has of its own: Neutron's names for them, and what OVN tells of them.

A value becomes part of an expression in OVN's flows, so each is checked for its form.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from volutus.network.errors import InvalidInput

OPTIONS_MAX = 32
VALUE_LENGTH_MAX = 255
# What a string can be made of: nothing that would end it.
_TEXT = re.compile(r"[A-Za-z0-9 ._~:/?#\[\]@!$&'()*+,;=%-]+")
Form = Callable[[str, int], str]
_UNTOLD = ""


@dataclass(frozen=True)
class DhcpOption:
    """`value` None takes the option back."""

    name: str
    value: str | None
    ip_version: int = 4


def _text(value: str, _version: int) -> str:
    if not _TEXT.fullmatch(value):
        raise ValueError(value)
    return f'"{value}"'


def _number(value: str, _version: int) -> str:
    if not value.isascii() or not value.isdigit() or len(value) > 10:
        raise ValueError(value)
    return value


def _addresses(value: str, version: int) -> str:
    found = [ipaddress.ip_address(one.strip()) for one in value.strip("{}").split(",")]
    if len({one.version for one in found}) > 1:
        raise ValueError(value)
    if found[0].version != version:
        # Clients name no version and mean the addresses'. Kept, as Neutron does; nobody could be told.
        return _UNTOLD
    return str(found[0]) if len(found) == 1 else "{" + ", ".join(map(str, found)) + "}"


def _routes(value: str, _version: int) -> str:
    words = value.strip("{}").replace(" ", "").split(",")
    pairs = list(zip(words[::2], words[1::2], strict=True))
    told = [f"{ipaddress.IPv4Network(prefix)},{ipaddress.IPv4Address(hop)}" for prefix, hop in pairs]
    return "{" + ", ".join(told) + "}"


_V4: Mapping[str, tuple[str, Form]] = {
    "netmask": ("netmask", _addresses),
    "router": ("router", _addresses),
    "dns-server": ("dns_server", _addresses),
    "log-server": ("log_server", _addresses),
    "lpr-server": ("lpr_server", _addresses),
    "domain-name": ("domain_name", _text),
    "domain-search": ("domain_search_list", _text),
    "swap-server": ("swap_server", _addresses),
    "mtu": ("mtu", _number),
    "default-ttl": ("default_ttl", _number),
    "nis-server": ("nis_server", _addresses),
    "ntp-server": ("ntp_server", _addresses),
    "lease-time": ("lease_time", _number),
    "tftp-server": ("tftp_server", _text),
    "bootfile-name": ("bootfile_name", _text),
    "server-ip-address": ("tftp_server_address", _addresses),
    "classless-static-route": ("classless_static_route", _routes),
    "ms-classless-static-route": ("ms_classless_static_route", _routes),
    "hostname": ("hostname", _text),
    "path-prefix": ("path_prefix", _text),
    "wpad": ("wpad", _text),
    "tcp-keepalive": ("tcp_keepalive_interval", _number),
    "arp-timeout": ("arp_cache_timeout", _number),
}
# Numbers, and dnsmasq's other words for the same.
_ALIASES: Mapping[str, str] = {
    "1": "netmask",
    "3": "router",
    "6": "dns-server",
    "7": "log-server",
    "12": "hostname",
    "15": "domain-name",
    "23": "default-ttl",
    "26": "mtu",
    "interface-mtu": "mtu",
    "35": "arp-timeout",
    "38": "tcp-keepalive",
    "41": "nis-server",
    "42": "ntp-server",
    "51": "lease-time",
    "66": "tftp-server",
    "tftp-server-name": "tftp-server",
    "67": "bootfile-name",
    "119": "domain-search",
    "121": "classless-static-route",
    "150": "server-ip-address",
    "tftp-server-address": "server-ip-address",
    "210": "path-prefix",
    "249": "ms-classless-static-route",
    "252": "wpad",
}
_V6: Mapping[str, tuple[str, Form]] = {
    "dns-server": ("dns_server", _addresses),
    "23": ("dns_server", _addresses),
    "domain-search": ("domain_search", _text),
    "24": ("domain_search", _text),
}


def check(options: Sequence[DhcpOption]) -> None:
    """Raises InvalidInput for an option that cannot be told, or a value that is not of its form."""
    if len(options) > OPTIONS_MAX:
        raise InvalidInput(f"A port has at most {OPTIONS_MAX} DHCP options.", field="extra_dhcp_opts")
    names = [(option.name, option.ip_version) for option in options]
    if len(set(names)) != len(names):
        raise InvalidInput("A DHCP option is named twice.", field="extra_dhcp_opts")
    for option in options:
        _told(option)


def told(options: Sequence[DhcpOption], ip_version: int) -> tuple[tuple[str, str], ...]:
    """OVN's names and values of those of one IP version."""
    found = (_told(option) for option in options if option.ip_version == ip_version)
    return tuple(sorted((name, value) for name, value in found if value != _UNTOLD))


def merged(have: Sequence[DhcpOption], changes: Sequence[DhcpOption]) -> tuple[DhcpOption, ...]:
    """An option that is given replaces the one of its name; one without a value takes it away."""
    found = {(option.name, option.ip_version): option for option in (*have, *changes)}
    return tuple(option for option in found.values() if option.value is not None)


def _told(option: DhcpOption) -> tuple[str, str]:
    name = option.name.lower()
    known = _V6 if option.ip_version == 6 else _V4
    form = known.get(_ALIASES.get(name, name) if option.ip_version == 4 else name)
    if form is None or option.ip_version not in (4, 6):
        raise InvalidInput(
            f"DHCP option {option.name[:80]!r} is not told here. Known for IPv{option.ip_version}: "
            f"{', '.join(sorted(known))}.",
            field="extra_dhcp_opts",
        )
    try:
        value = option.value or ""
        if len(value) > VALUE_LENGTH_MAX:
            raise ValueError(value)
        return form[0], form[1](value, option.ip_version)
    except ValueError:
        raise InvalidInput(
            f"DHCP option {option.name} cannot be {str(option.value)[:80]!r}.", field="extra_dhcp_opts"
        ) from None
