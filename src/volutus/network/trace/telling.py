"""Tells what happened to a packet: where it went, what let it through, what dropped it and what mends that.

What is not the caller's is told without id and name: a network, a router, a port of somebody else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from sqlalchemy import Row, text

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import ports
from volutus.network.ovn.model import Direction, Kind, SecurityGroupRuleView
from volutus.network.ovn.rows import MAIN_TABLE, row_uuid
from volutus.network.ovn.security_groups import match_of
from volutus.network.ports import Port
from volutus.network.trace.output import Delivered, Event, Passed
from volutus.network.trace.probe import Packet, Stopped

PLACES_MAX = 64
RULES_MAX = 2000
ROUTER_PORT_PREFIX = "lrp-"

_PLACES = text(
    """
    SELECT 'network' AS kind, id, name, project_id, shared OR external AS public, external FROM networks
    WHERE id = ANY(CAST(:ids AS text[]))
    UNION ALL
    SELECT 'router', id, name, project_id, false, false FROM routers WHERE id = ANY(CAST(:ids AS text[]))
    LIMIT :limit
    """
)
_RULES = text(
    """
    SELECT r.id, r.group_id, r.direction, r.ip_version, r.protocol, r.port_min, r.port_max,
        text(r.remote_prefix) AS remote_prefix, r.remote_group_id, g.name AS group_name
    FROM security_group_rules r JOIN security_groups g ON g.id = r.group_id
    WHERE r.group_id = ANY(CAST(:ids AS text[])) LIMIT :limit
    """
)


class Verdict(Enum):
    """What becomes of the packet. OUTSIDE: it leaves the cloud. ANSWERED: a router answers it itself."""

    DELIVERED = "delivered"
    OUTSIDE = "outside"
    ANSWERED = "answered"
    DROPPED = "dropped"


@dataclass(frozen=True)
class Step:
    """One place on the way: `kind` is `port`, `network`, `router` or `security_group_rule`. `id` and `name`
    are None for what is not the caller's."""

    kind: str
    id: str | None
    name: str | None
    text: str


@dataclass(frozen=True)
class Trace:
    """`reason` is a sentence; when dropped, `rule_id` is the rule that let it through last, if any did."""

    port_id: str
    to: str
    protocol: str
    port: int | None
    verdict: Verdict
    reason: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Known:
    """What the caller may be told of what the packet met."""

    places: Mapping[str, Row[Any]]
    ports: Mapping[str, Port]
    rules: Sequence[Row[Any]]
    caller: Caller


def stopped(found: Stopped) -> Trace:
    """The trace of a packet that the guest could not even send."""
    question = found.question
    return Trace(
        found.source.id,
        question.to,
        question.protocol,
        question.port,
        Verdict.DROPPED,
        found.why,
        (_start(found.source),),
        _notes(found.source),
    )


def tell(tx: Tx, caller: Caller, asked: Packet, events: Sequence[Event]) -> Trace:
    """What the events mean, in the caller's words."""
    known = _look_up(tx, caller, asked.source, events)
    steps = [_start(asked.source)]
    last = ""
    for event in events:
        if event.place.datapath != last and event.place.datapath:
            last = event.place.datapath
            steps.append(_place(known, last))
        if isinstance(event, Passed) and (step := _admitted(known, event)):
            steps.append(step)
    verdict, reason = _verdict(known, asked, events)
    target = known.ports.get(_receiver(events))
    if verdict is Verdict.DELIVERED and target is not None:
        steps.append(Step("port", target.id, target.name, "arrives at this port"))
    notes = _notes(asked.source)
    if target is not None and target.id != asked.source.id:
        notes += tuple(note.replace("The port", "The receiving port") for note in _notes(target))
    question = asked.question
    return Trace(
        asked.source.id,
        question.to,
        question.protocol,
        question.port,
        verdict,
        reason,
        tuple(_without_repetition(steps)),
        notes,
    )


def _look_up(tx: Tx, caller: Caller, source: Port, events: Sequence[Event]) -> _Known:
    names = {event.place.inport for event in events} | {event.place.outport for event in events}
    met = ports.fetch(tx, sorted({name.rpartition(ROUTER_PORT_PREFIX)[2] for name in names}))
    # OVN names switches and routers by their rows; whose those are is known by the ports that were passed.
    owners = {port.network_id for port in met} | {port.device_id for port in met}
    rows = tx.rows(_PLACES, {"ids": sorted(owners), "limit": PLACES_MAX})
    places = {row_uuid(MAIN_TABLE[Kind(row.kind)], row.id): row for row in rows}
    found = [port for port in met if caller.sees(port.project_id)]
    group_ids = sorted({group for port in [source, *found] for group in port.security_group_ids})
    rules = tx.rows(_RULES, {"ids": group_ids, "limit": RULES_MAX})
    return _Known(places, {port.id: port for port in found}, rules, caller)


def _start(source: Port) -> Step:
    return Step("port", source.id, source.name, "sends the packet")


def _place(known: _Known, datapath: str) -> Step:
    row = known.places.get(datapath)
    if row is None:
        return Step("network", None, None, "a place that is no longer there")
    seen = row.public or known.caller.sees(row.project_id)
    words = "is switched on this network" if row.kind == "network" else "is routed by this router"
    if not seen:
        words = words.replace("this", "somebody else's")
    return Step(row.kind, row.id if seen else None, row.name if seen else None, words)


def _admitted(known: _Known, event: Passed) -> Step | None:
    if event.drops or event.stage not in ("ls_in_acl", "ls_out_acl"):
        return None
    for row in known.rules:
        rule = SecurityGroupRuleView(
            id=row.id,
            direction=Direction(row.direction),
            ip_version=row.ip_version,
            protocol=row.protocol,
            port_min=row.port_min,
            port_max=row.port_max,
            remote_prefix=row.remote_prefix,
            remote_group_id=row.remote_group_id,
        )
        if f"({match_of(row.group_id, rule)})" in event.match:
            words = f"{row.direction} is admitted by this rule of security group {row.group_name!r}"
            return Step("security_group_rule", row.id, None, words)
    return None


def _receiver(events: Sequence[Event]) -> str:
    """The port that the packet is given to last, or would be had nothing dropped it."""
    return next((event.place.outport for event in reversed(events) if event.place.outport), "")


def _verdict(known: _Known, asked: Packet, events: Sequence[Event]) -> tuple[Verdict, str]:
    if any(isinstance(e, Passed) and e.stage == "lr_in_ip_input" and _turns(e) for e in events):
        return Verdict.ANSWERED, f"{asked.question.to} is a router's own address, and the router answers."
    dropped = next((event for event in events if isinstance(event, Passed) and event.drops), None)
    asks = any(isinstance(e, Passed) and e.stage == "lr_in_arp_request" and _asks(e) for e in events)
    delivered = [event for event in events if isinstance(event, Delivered)]
    if any(event.kind == "localnet" for event in delivered):
        return Verdict.OUTSIDE, "The packet leaves the cloud to the physical network."
    if asks:
        to = asked.question.to
        return Verdict.DROPPED, f"No port of the network behind the router has the address {to}."
    if dropped is not None:
        return Verdict.DROPPED, _why(known, asked, dropped)
    if delivered and delivered[-1].kind != "patch":
        return Verdict.DELIVERED, f"The packet reaches {_whose(known, delivered[-1].port)}."
    return Verdict.DROPPED, "The packet ends on the way, and OVN does not say why."


def _turns(event: Passed) -> bool:
    return any(
        "ip4.dst <-> ip4.src" in a or "ip6.dst <-> ip6.src" in a or "nd_na" in a for a in event.actions
    )


def _asks(event: Passed) -> bool:
    return any(action.startswith(("arp {", "nd_ns {")) for action in event.actions)


def _whose(known: _Known, port_id: str) -> str:
    port = known.ports.get(port_id)
    if port is None:
        return "a port that is not yours"
    return f"port {port.id}" + (f" ({port.name})" if port.name else "")


def _why(known: _Known, asked: Packet, event: Passed) -> str:
    to = asked.question.to
    match event.stage:
        case "ls_in_acl":
            return "No egress rule of the sending port's security groups lets this packet out."
        case "ls_out_acl" if event.place.outport in known.ports:
            return (
                f"No ingress rule of the security groups of {_whose(known, event.place.outport)} lets it in."
            )
        case "ls_out_acl":
            return "The security groups of the receiving port, which is not yours, do not let it in."
        case "ls_in_check_port_sec" | "ls_in_apply_port_sec":
            if not asked.source.enabled:
                return "The sending port is switched off (admin_state_up is false)."
            return "Port security: the sending port may not send from this address."
        case "ls_out_check_port_sec" | "ls_out_apply_port_sec":
            return "The receiving port is switched off, or its port security does not know the address."
        case "ls_in_l2_lkup" | "ls_in_l2_unknown":
            return f"Nobody on the network has the hardware address that {to} should have."
        case "lr_in_ip_routing" | "lr_in_ip_routing_ecmp":
            return f"The router has no route to {to}: it has no gateway, or no static route leads there."
        case "lr_in_admission":
            return "The router, or its port on this network, is switched off."
        case "lr_in_ip_input":
            return f"The router does not accept packets of this kind to {to}."
        case _:
            return f"The packet is dropped on the way, in {event.stage}."


def _notes(port: Port) -> tuple[str, ...]:
    if not port.enabled:
        return ("The port is switched off.",)
    if port.chassis == "" and not port.device_owner.startswith("network:"):
        return ("The port is not plugged into a running server at present.",)
    return ()


def _without_repetition(steps: Sequence[Step]) -> list[Step]:
    """A packet that a load balancer or a router turns round passes the same places again: told once each."""
    told: list[Step] = []
    for step in steps:
        if step not in told:
            told.append(replace(step))
    return told
