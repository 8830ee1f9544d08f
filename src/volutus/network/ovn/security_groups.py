"""A security group as northbound rows: a group of ports and one access rule for each thing it admits.

Ports join and leave by themselves (see `ports`), so a group's change touches one row however many members
it has. What nothing admits is dropped by the one group that all ports with port security are in.
"""

from collections.abc import Sequence

from volutus.errors import Invalid
from volutus.network.ovn.model import (
    DROP_GROUP_ID,
    Direction,
    Kind,
    SecurityGroupRuleView,
    SecurityGroupView,
)
from volutus.network.ovn.names import address_set_name, port_group_name
from volutus.network.ovn.networks import METADATA_ADDRESS_V6
from volutus.network.ovn.rows import Key, Needed, Row, Unit, make_row, row_uuid

DROP_PRIORITY = 1001
ALLOW_PRIORITY = 1002
DENY_PRIORITY = 1003

WITH_PORTS = frozenset({"tcp", "udp", "sctp"})
PROTOCOL_NUMBERS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "igmp": 2,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "udplite": 136,
    "vrrp": 112,
}
NAMES_BY_NUMBER = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp", "132": "sctp"}
ICMP_NAMES = frozenset({"icmp", "icmpv6", "ipv6-icmp"})


def compile_security_group(view: SecurityGroupView) -> Unit:
    """The port group and its access rules. Its members are no part of it."""
    action = "allow-related" if view.stateful else "allow-stateless"
    acls = [_acl(view.id, rule, action) for rule in view.rules]
    sets = {
        (rule.remote_address_group_id, rule.ip_version) for rule in view.rules if rule.remote_address_group_id
    }
    # A rule that names a set which is not there yet would be left out by every host, and told nobody.
    needs = [
        Needed("Address_Set", row_uuid("Address_Set", address_set_name(*one)), f"address group {one[0]}")
        for one in sorted(sets)
    ]
    return _unit(view.id, acls, needs)


def drop_group() -> Unit:
    """The group that drops what nothing admits, except what a guest needs before anything else: an address
    and its metadata. No rule of a tenant makes a guest the DHCP server of its neighbours. Neighbour discovery
    is let through by northd wherever a rule is stateful, as one here is."""
    group = port_group_name(DROP_GROUP_ID)
    guest, arriving = f"inport == @{group}", f"outport == @{group}"
    asks_v4 = "ip4 && udp && udp.src == 68 && udp.dst == 67"
    asks_v6 = "ip6 && udp && udp.src == 546 && udp.dst == 547"
    answers_v4 = "ip4 && udp && udp.src == 67 && udp.dst == 68"
    answers_v6 = "ip6 && udp && udp.src == 547 && udp.dst == 546"
    metadata_v4 = "ip4 && ip4.dst == 169.254.169.254 && tcp && tcp.dst == 80"
    metadata_v6 = f"ip6 && ip6.dst == {METADATA_ADDRESS_V6} && tcp && tcp.dst == 80"
    rules = [
        ("drop-from", "from-lport", DROP_PRIORITY, f"{guest} && ip", "drop"),
        ("drop-to", "to-lport", DROP_PRIORITY, f"{arriving} && ip", "drop"),
        ("dhcp4", "from-lport", ALLOW_PRIORITY, f"{guest} && {asks_v4}", "allow"),
        ("dhcp6", "from-lport", ALLOW_PRIORITY, f"{guest} && {asks_v6}", "allow"),
        ("metadata", "from-lport", ALLOW_PRIORITY, f"{guest} && {metadata_v4}", "allow-related"),
        ("metadata6", "from-lport", ALLOW_PRIORITY, f"{guest} && {metadata_v6}", "allow-related"),
        ("dhcp4-server", "from-lport", DENY_PRIORITY, f"{guest} && {answers_v4}", "drop"),
        ("dhcp6-server", "from-lport", DENY_PRIORITY, f"{guest} && {answers_v6}", "drop"),
    ]
    acls = [
        make_row(
            "ACL",
            f"{DROP_GROUP_ID}/{name}",
            direction=direction,
            priority=priority,
            match=match,
            action=action,
        )
        for name, direction, priority, match, action in rules
    ]
    return _unit(DROP_GROUP_ID, acls)


def port_group_uuid(group_id: str) -> str:
    """Where the group is, whether it exists or not."""
    return row_uuid("Port_Group", group_id)


def match_of(group_id: str, rule: SecurityGroupRuleView) -> str:
    """The rule as an OVN expression. Raises Invalid for a protocol that has no name and no number."""
    arriving = rule.direction is Direction.INGRESS
    family = f"ip{rule.ip_version}"
    terms = [f"{'outport' if arriving else 'inport'} == @{port_group_name(group_id)}", family]
    side = f"{family}.{'src' if arriving else 'dst'}"
    if rule.remote_prefix and not rule.remote_prefix.endswith("/0"):
        terms.append(f"{side} == {rule.remote_prefix}")
    if rule.remote_address_group_id:
        terms.append(f"{side} == ${address_set_name(rule.remote_address_group_id, rule.ip_version)}")
    if rule.remote_group_id:
        terms.append(f"{side} == ${port_group_name(rule.remote_group_id)}_{family}")
    return " && ".join(terms + _protocol_terms(rule))


def _protocol_terms(rule: SecurityGroupRuleView) -> list[str]:
    protocol = rule.protocol.lower() if rule.protocol else None
    protocol = NAMES_BY_NUMBER.get(protocol or "", protocol)
    if protocol is None or protocol in ("any", "0"):
        return []
    if protocol in ICMP_NAMES:
        name = "icmp4" if rule.ip_version == 4 else "icmp6"
        terms = [name]
        if rule.port_min is not None:
            terms.append(f"{name}.type == {rule.port_min}")
        if rule.port_max is not None:
            terms.append(f"{name}.code == {rule.port_max}")
        return terms
    if protocol in WITH_PORTS:
        return [protocol, *_port_terms(protocol, rule.port_min, rule.port_max)]
    number = PROTOCOL_NUMBERS.get(protocol, protocol)
    if not str(number).isdigit():
        raise Invalid(f"There is no protocol {rule.protocol!r}.", field="protocol")
    return [f"ip.proto == {number}"]


def _port_terms(protocol: str, low: int | None, high: int | None) -> list[str]:
    if low is None and high is None:
        return []
    if low == high or high is None:
        return [f"{protocol}.dst == {low}"]
    return [f"{protocol}.dst >= {low or 0}", f"{protocol}.dst <= {high}"]


def _acl(group_id: str, rule: SecurityGroupRuleView, action: str) -> Row:
    return make_row(
        "ACL",
        rule.id,
        direction="to-lport" if rule.direction is Direction.INGRESS else "from-lport",
        priority=ALLOW_PRIORITY,
        match=match_of(group_id, rule),
        action=action,
    )


def _unit(group_id: str, acls: list[Row], needs: Sequence[Needed] = ()) -> Unit:
    group = make_row("Port_Group", group_id, name=port_group_name(group_id), acls=[row.ref for row in acls])
    return Unit(Key(Kind.SECURITY_GROUP, group_id), (group, *acls), needs=tuple(needs))
