"""The bodies of the load-balancer service, and which of Octavia's attributes OVN has nothing for."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from volutus.http.kernel import Request
from volutus.http.kernel.bodies import convert, decode
from volutus.http.openstack.network.bodies import Named
from volutus.network.loadbalancer.errors import InvalidOption, UnsupportedOption

T = TypeVar("T")
Port = Annotated[int, Meta(ge=1, le=65535)]
Protocol = Literal["TCP", "UDP", "SCTP"]
Name = Annotated[str, Meta(max_length=255)]
Tags = Annotated[list[Name], Meta(max_length=50)]
PROVIDER = "ovn"

_TLS = "connections are not opened: TLS ends in the members"
_HTTP = "connections are balanced whole, not by what is said in HTTP"
_TIMES = "connections have no timeouts of the load balancer's"
_PLAIN = "there is one kind of load balancer"
# Attribute to the reason why nothing but its empty value is taken.
UNSUPPORTED = {
    **dict.fromkeys(
        (
            "default_tls_container_ref",
            "sni_container_refs",
            "client_ca_tls_container_ref",
            "client_authentication",
            "client_crl_container_ref",
            "tls_container_ref",
            "ca_tls_container_ref",
            "crl_container_ref",
            "tls_enabled",
            "tls_ciphers",
            "tls_versions",
            "alpn_protocols",
            "hsts_max_age",
            "hsts_include_subdomains",
            "hsts_preload",
        ),
        _TLS,
    ),
    **dict.fromkeys(("insert_headers", "l7policies", "redirect_pool", "domain_name", "http_version"), _HTTP),
    **dict.fromkeys(
        ("timeout_client_data", "timeout_member_connect", "timeout_member_data", "timeout_tcp_inspect"),
        _TIMES,
    ),
    **dict.fromkeys(("flavor_id", "availability_zone", "vip_qos_policy_id", "additional_vips"), _PLAIN),
    **dict.fromkeys(
        ("listeners", "pools", "members", "healthmonitor", "default_pool"), "make each by itself"
    ),
    "allowed_cidrs": "use the security groups of the members",
    "vip_sg_ids": "use the security groups of the members",
    "monitor_address": "members are asked where they serve",
    "monitor_port": "members are asked where they serve",
    "backup": "all members serve",
}
# What Octavia's clients send to say nothing special.
_EMPTY: tuple[Any, ...] = (None, False, [], {}, "", "NONE")


class Body(Named):
    name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET


class BalancerBody(Body):
    vip_subnet_id: str | UnsetType | None = UNSET
    vip_network_id: str | UnsetType | None = UNSET
    vip_port_id: str | UnsetType | None = UNSET
    vip_address: str | UnsetType | None = UNSET
    provider: str | UnsetType | None = UNSET


class ListenerBody(Body):
    loadbalancer_id: str | UnsetType = UNSET
    protocol: str | UnsetType = UNSET
    protocol_port: Port | UnsetType = UNSET
    default_pool_id: str | UnsetType | None = UNSET
    connection_limit: int | UnsetType | None = UNSET


class Persistence(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    persistence_timeout: Annotated[int, Meta(ge=1, le=65535)] | UnsetType | None = UNSET
    cookie_name: str | UnsetType | None = UNSET
    persistence_granularity: str | UnsetType | None = UNSET


class PoolBody(Body):
    loadbalancer_id: str | UnsetType | None = UNSET
    listener_id: str | UnsetType | None = UNSET
    protocol: str | UnsetType = UNSET
    lb_algorithm: str | UnsetType = UNSET
    session_persistence: Persistence | UnsetType | None = UNSET


class MemberBody(Body):
    address: str | UnsetType = UNSET
    protocol_port: Port | UnsetType = UNSET
    subnet_id: str | UnsetType | None = UNSET
    weight: int | UnsetType = UNSET


class MonitorBody(Body):
    pool_id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    delay: Annotated[int, Meta(ge=1, le=3600)] | UnsetType = UNSET
    timeout: Annotated[int, Meta(ge=1, le=3600)] | UnsetType = UNSET
    max_retries: Annotated[int, Meta(ge=1, le=10)] | UnsetType = UNSET
    max_retries_down: Annotated[int, Meta(ge=1, le=10)] | UnsetType | None = UNSET
    http_method: Literal["GET", "HEAD", "OPTIONS"] | UnsetType | None = UNSET
    url_path: Annotated[str, Meta(max_length=255, pattern=r"^/[!-~]*$")] | UnsetType | None = UNSET
    expected_codes: (
        Annotated[str, Meta(max_length=64, pattern=r"^\d{3}(-\d{3})?(,\d{3}(-\d{3})?)*$")] | UnsetType | None
    ) = UNSET


class QuotaBody(msgspec.Struct, forbid_unknown_fields=True):
    """Both spellings that Octavia takes."""

    load_balancer: int | UnsetType | None = UNSET
    loadbalancer: int | UnsetType | None = UNSET
    listener: int | UnsetType | None = UNSET
    pool: int | UnsetType | None = UNSET
    member: int | UnsetType | None = UNSET
    health_monitor: int | UnsetType | None = UNSET
    healthmonitor: int | UnsetType | None = UNSET


def read(request: Request, noun: str, shape: type[T]) -> T:
    """`{noun: {…}}`. Raises UnsupportedOption for what OVN cannot do, Invalid for what nobody can."""
    document = decode(request.body, dict[str, Any])
    if set(document) != {noun} or not isinstance(document[noun], dict):
        raise InvalidOption(f"The body should be an object named {noun!r}.", field=noun)
    return read_part(document[noun], shape)


def read_part(part: dict[str, Any], shape: type[T]) -> T:
    """The same for an object within a body."""
    for name in sorted(part.keys() & UNSUPPORTED):
        if part[name] not in _EMPTY:
            raise UnsupportedOption(f"{name} is not supported: {UNSUPPORTED[name]}.", field=name)
    return convert({name: value for name, value in part.items() if name not in UNSUPPORTED}, shape)


def required(value: T | UnsetType | None, field: str) -> T:
    """What must be given. Raises InvalidOption."""
    if value is UNSET or value is None or isinstance(value, UnsetType):
        raise InvalidOption(f"{field} is required.", field=field)
    return value


def one_of(value: str, allowed: tuple[str, ...], field: str, hint: str = "") -> str:
    """A word that OVN has. Raises UnsupportedOption naming the others."""
    if value not in allowed:
        known = ", ".join(allowed)
        raise UnsupportedOption(f"{field} {value!r} is not supported, only {known}.{hint}", field=field)
    return value


def fixed(body: Body, names: tuple[str, ...]) -> None:
    """Refuse what cannot be changed."""
    for name in names:
        if getattr(body, name) is not UNSET:
            raise InvalidOption(f"{name} cannot be changed.", field=name)
