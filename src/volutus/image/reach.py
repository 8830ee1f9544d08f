"""Which addresses the cloud fetches images from: the operator's list of hosts, and never an inner network.

A tenant says the URL, so the cloud could be made to ask its own metadata service, its database or a
neighbour. Names are looked up once and the connection goes to the very address that was checked: a name
that answers differently the next moment gains nothing.
"""

import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import httpcore

from volutus.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
# Addresses that carry an IPv4 address within: NAT64, 6to4 and Teredo.
_TRANSLATED = tuple(ipaddress.IPv6Network(net) for net in ("64:ff9b::/32", "2002::/16", "2001::/32"))
CONNECT_TIMEOUT_S = 10.0


def is_inner(address: Address) -> bool:
    """Whether this is no address of the public Internet, or one of this machine's own."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return is_inner(mapped)
    if isinstance(address, ipaddress.IPv6Address) and any(address in net for net in _TRANSLATED):
        return True
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return True
    return _is_own(address)


@dataclass(frozen=True)
class Reach:
    """`hosts` are names, `*.name` for all below one, `*` for all, each with `:port` where it is not the
    scheme's usual one. `own_hosts` are the names under which the cloud itself answers."""

    hosts: tuple[str, ...] = ()
    own_hosts: tuple[str, ...] = ()
    is_inner: Callable[[Address], bool] = field(default=is_inner)

    @property
    def is_open(self) -> bool:
        """Whether anything may be fetched at all."""
        return bool(self.hosts)

    def check(self, url: str) -> SplitResult:
        """The URL in its parts. Raises Invalid where it may not be fetched."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise Invalid(f"{url!r} is no URL.", field="uri") from error
        if parts.scheme not in _PORTS or not parts.hostname:
            raise Invalid("Images are fetched by http or https only.", field="uri")
        if parts.username is not None or parts.password is not None:
            raise Invalid("The URL of an image carries no user or password.", field="uri")
        if not any(_fits(pattern, parts, port) for pattern in self.hosts):
            raise Invalid(
                f"Images are not fetched from {parts.netloc!r}: the operator has not allowed it.", field="uri"
            )
        return parts

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a name, each of them checked. Raises Invalid when any of them is inner."""
        found = _looked_up(host, port)
        own = {one for name in self.own_hosts for one in _looked_up(name, port)}
        for text in found:
            if text in own or self.is_inner(ipaddress.ip_address(text.partition("%")[0])):
                raise Invalid(f"{host} is not a public address.", field="uri")
        if not found:
            raise Invalid(f"{host} could not be found.", field="uri")
        return found


class CheckedBackend(httpcore.SyncBackend):
    """Makes connections for `httpcore`, to checked addresses alone."""

    def __init__(self, reach: Reach) -> None:
        super().__init__()
        self._reach = reach

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers."""
        failure: Exception | None = None
        for address in self._reach.addresses(host, port):
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure


def pool(reach: Reach) -> httpcore.ConnectionPool:
    """Connections of one download; close it afterwards."""
    return httpcore.ConnectionPool(
        ssl_context=ssl.create_default_context(), network_backend=CheckedBackend(reach)
    )


def _fits(pattern: str, parts: SplitResult, port: int | None) -> bool:
    name, _, wanted_port = pattern.lower().strip().partition(":")
    usual = _PORTS[parts.scheme]
    if (port or usual) != (int(wanted_port) if wanted_port.isdigit() else usual):
        return False
    host = (parts.hostname or "").lower().rstrip(".")
    return name == "*" or host == name or (name.startswith("*.") and host.endswith(name[1:]))


def _looked_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _is_own(address: Address) -> bool:
    """A socket can be bound to this machine's own addresses and to no others."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
