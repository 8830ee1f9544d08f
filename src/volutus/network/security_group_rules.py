"""Rules of security groups: each admits something; what no rule admits is dropped."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from volutus import audit, quota
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import address_groups, objects, sharing, units
from volutus.network.errors import (
    InvalidInput,
    SecurityGroupInvalidPortRange,
    SecurityGroupInvalidPortValue,
    SecurityGroupNotFound,
    SecurityGroupRuleExists,
    SecurityGroupRuleInvalid,
    SecurityGroupRuleNotFound,
)
from volutus.network.listing import (
    Query,
    common_filters,
    equals,
    integer,
    optional,
    selected,
    sortable,
    visible,
)
from volutus.network.ovn.model import Kind
from volutus.network.tables import security_group_rules, security_groups

# More rules than this in one group are a mistake, and each is a row in OVN.
RULES_PER_GROUP_MAX = 1000
PORT_MAX = 65535

PROTOCOLS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": 1,
    "icmpv6": 58,
    "igmp": 2,
    "ip": 0,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
WITH_PORTS = frozenset({6, 17, 33, 132, 136})
ICMP = frozenset({1, 58})
ONLY_IPV6 = frozenset(
    {"icmpv6", "ipv6-icmp", "ipv6-encap", "ipv6-frag", "ipv6-nonxt", "ipv6-opts", "ipv6-route"}
)


@dataclass(frozen=True)
class Rule:
    id: str
    project_id: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    group_id: str
    direction: str
    ip_version: int
    protocol: str | None
    port_min: int | None
    port_max: int | None
    remote_prefix: str | None
    remote_group_id: str | None
    remote_address_group_id: str | None
    given_prefix: str | None

    @property
    def prefix_as_given(self) -> str | None:
        """`10.2.3.124/24` where the prefix is `10.2.3.0/24`."""
        return self.given_prefix or self.remote_prefix


@dataclass(frozen=True)
class RuleOrder:
    """For ICMP `port_min` is the type and `port_max` the code. `given_prefix` is `remote_prefix` with its
    bits behind the mask, once it was checked."""

    project_id: str
    group_id: str
    direction: str
    ip_version: int = 4
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_prefix: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None
    description: str = ""
    given_prefix: str | None = None


_FILTERS = common_filters(security_group_rules) | {
    "group_id": equals(security_group_rules.c.group_id),
    "direction": equals(security_group_rules.c.direction),
    "ip_version": integer(security_group_rules.c.ip_version),
    "protocol": optional(security_group_rules.c.protocol),
    "port_min": integer(security_group_rules.c.port_min),
    "port_max": integer(security_group_rules.c.port_max),
    "remote_prefix": lambda values: security_group_rules.c.remote_prefix.in_(
        [str(ipaddress.ip_network(value, strict=False)) for value in values]
    ),
    "remote_group_id": optional(security_group_rules.c.remote_group_id),
    "remote_address_group_id": optional(security_group_rules.c.remote_address_group_id),
}
_SORTABLE = sortable(security_group_rules)


def create(tx: Tx, caller: Caller, order: RuleOrder) -> Rule:
    """Admit something more. Raises SecurityGroupRuleExists when the group has the same rule."""
    _hold_group(tx, caller, order.group_id, own=True)
    if order.remote_group_id is not None and order.remote_group_id != order.group_id:
        _hold_group(tx, caller, order.remote_group_id)
    if order.remote_address_group_id is not None:
        address_groups.get(tx, caller, order.remote_address_group_id)
    (made,) = add(tx, [check(order)])
    audit.record(tx, caller, "create", "network.security_group_rule", made.id)
    _touch_group(tx, order.group_id)
    return made


def get(tx: Tx, caller: Caller, rule_id: str) -> Rule:
    """A rule of the caller's."""
    row = tx.row(
        select(security_group_rules).where(
            security_group_rules.c.id == rule_id, *visible(security_group_rules, caller)
        )
    )
    if row is None:
        raise SecurityGroupRuleNotFound(f"Security group rule {rule_id} does not exist")
    return rule_of_row(row)


def list_(tx: Tx, caller: Caller, query: Query) -> list[Rule]:
    """The caller's rules."""
    statement = select(security_group_rules).where(*visible(security_group_rules, caller))
    return [rule_of_row(row) for row in tx.rows(selected(tx, statement, query, _FILTERS, _SORTABLE))]


def remove(tx: Tx, caller: Caller, rule_id: str) -> None:
    """Admit it no longer."""
    rule = get(tx, caller, rule_id)
    if not tx.changed(delete(security_group_rules).where(security_group_rules.c.id == rule_id)):
        raise SecurityGroupRuleNotFound(f"Security group rule {rule_id} does not exist")
    quota.release(tx, rule.project_id, {"security_group_rule": 1})
    audit.record(tx, caller, "delete", "network.security_group_rule", rule_id)
    _touch_group(tx, rule.group_id)


def add(tx: Tx, orders: Sequence[RuleOrder]) -> list[Rule]:
    """Insert checked rules of one project. Raises SecurityGroupRuleExists."""
    if not orders:
        return []
    values = [
        {
            **vars(order),
            "id": tx.ids.uuid(),
            "created_at": tx.now,
            "updated_at": tx.now,
            "protocol_key": _protocol_key(order),
        }
        for order in orders
    ]
    statement = insert(security_group_rules).values(values).on_conflict_do_nothing()
    found = {row.id: row for row in tx.rows(statement.returning(security_group_rules))}  # bounded: orders
    for value, order in zip(values, orders, strict=True):
        if value["id"] not in found:
            same = tx.value(select(security_group_rules.c.id).where(_same(order)))
            raise SecurityGroupRuleExists(f"Security group rule already exists. Rule id is {same}.")
    quota.charge(tx, orders[0].project_id, {"security_group_rule": len(orders)})
    return [rule_of_row(found[str(value["id"])]) for value in values]


def check(order: RuleOrder) -> RuleOrder:
    """The order if it makes sense. Raises Invalid kinds naming what does not."""
    number = _number(order)
    if order.remote_prefix is not None:
        prefix = _prefix(order)
        given = str(ipaddress.ip_interface(order.remote_prefix))
        order = replace(order, remote_prefix=prefix, given_prefix=given)
    remotes = (order.remote_prefix, order.remote_group_id, order.remote_address_group_id)
    if sum(remote is not None for remote in remotes) > 1:
        raise SecurityGroupRuleInvalid(
            "Only remote_ip_prefix or remote_group_id or remote_address_group_id may be provided."
        )
    if order.protocol in ONLY_IPV6 and order.ip_version == 4:
        raise SecurityGroupRuleInvalid(
            f"Invalid ethertype IPv4 for protocol {order.protocol}.", field="ethertype"
        )
    if number in ICMP:
        _check_icmp(order)
    elif order.port_min is not None or order.port_max is not None:
        _check_ports(order, number)
    return order


def rule_of_row(row: Row[Any]) -> Rule:
    """A row of the table as a value."""
    prefix = None if row.remote_prefix is None else str(row.remote_prefix)
    return objects.built(Rule, row, remote_prefix=prefix)


def _number(order: RuleOrder) -> int | None:
    if order.protocol is None:
        return None
    name = order.protocol.lower()
    if name == "icmp" and order.ip_version == 6:
        return PROTOCOLS["icmpv6"]
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if name.isascii() and name.isdigit() and int(name) <= 255:
        return int(name)
    raise SecurityGroupRuleInvalid(
        f"Security group rule protocol {order.protocol} not supported. Only protocol values "
        f"{sorted(PROTOCOLS)} and integer representations [0 to 255] are supported.",
        field="protocol",
    )


def _protocol_key(order: RuleOrder) -> str:
    """Equal for two spellings of one protocol."""
    number = _number(order)
    return "" if number is None else str(number)


def _prefix(order: RuleOrder) -> str:
    try:
        network = ipaddress.ip_network(order.remote_prefix or "", strict=False)
    except ValueError:
        raise InvalidInput(
            f"Invalid input for remote_ip_prefix: {order.remote_prefix!r} is no CIDR.",
            field="remote_ip_prefix",
        ) from None
    if network.version != order.ip_version:
        raise SecurityGroupRuleInvalid(
            f"Conflicting value ethertype IPv{order.ip_version} for CIDR {order.remote_prefix}",
            field="remote_ip_prefix",
        )
    return str(network)


def _check_icmp(order: RuleOrder) -> None:
    for name, value in (("port_range_min", order.port_min), ("port_range_max", order.port_max)):
        if value is not None and not 0 <= value <= 255:
            raise SecurityGroupRuleInvalid(
                f"Invalid value for ICMP {'type' if name.endswith('min') else 'code'} ({name}) {value}. "
                "It must be 0 to 255.",
                field=name,
            )
    if order.port_max is not None and order.port_min is None:
        raise SecurityGroupRuleInvalid(
            f"ICMP code (port-range-max) {order.port_max} is provided "
            "but ICMP type (port-range-min) is missing.",
            field="port_range_min",
        )


def _check_ports(order: RuleOrder, number: int | None) -> None:
    if number is None:
        raise SecurityGroupRuleInvalid("Must also specify protocol if port range is given.", field="protocol")
    if number not in WITH_PORTS:
        raise SecurityGroupRuleInvalid(
            f"Port range cannot be specified for protocol {order.protocol}.", field="port_range_min"
        )
    low, high = order.port_min, order.port_max
    for port in (low, high):
        if port is not None and not 0 <= port <= PORT_MAX:
            raise SecurityGroupInvalidPortValue(f"Invalid value for port {port}", field="port_range_min")
    if low is None or high is None or low > high or (low == 0 and number in (6, 17)):
        raise SecurityGroupInvalidPortRange(
            "For TCP/UDP protocols, port_range_min must be <= port_range_max", field="port_range_min"
        )


def _hold_group(tx: Tx, caller: Caller, group_id: str, *, own: bool = False) -> None:
    """A group that the caller may name in a rule, or (`own`) that may get a rule by it."""
    shared = sharing.visible(security_groups, "security_group", caller)
    allowed = visible(security_groups, caller) if own else shared
    statement = select(security_groups.c.id).where(security_groups.c.id == group_id, *allowed)
    if tx.value(statement.with_for_update(key_share=True, read=True)) is None:
        raise SecurityGroupNotFound(f"Security group {group_id} does not exist")


def _touch_group(tx: Tx, group_id: str) -> None:
    tx.execute(
        update(security_groups)
        .where(security_groups.c.id == group_id)
        .values(revision=security_groups.c.revision + 1, updated_at=tx.now)
    )
    units.touch(tx, Kind.SECURITY_GROUP, [group_id])


def _same(order: RuleOrder) -> ColumnElement[bool]:
    """The rule that stands in the way of this one."""
    c = security_group_rules.c
    return and_(
        c.group_id == order.group_id,
        c.direction == order.direction,
        c.ip_version == order.ip_version,
        c.protocol_key == _protocol_key(order),
        c.port_min.is_not_distinct_from(order.port_min),
        c.port_max.is_not_distinct_from(order.port_max),
        c.remote_prefix.is_not_distinct_from(order.remote_prefix),
        c.remote_group_id.is_not_distinct_from(order.remote_group_id),
        c.remote_address_group_id.is_not_distinct_from(order.remote_address_group_id),
    )
