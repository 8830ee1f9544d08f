"""Reads what `ovn-trace --detailed` prints: through which tables of which switches and routers it went."""

import re
from dataclasses import dataclass

_SECTION = re.compile(r'\s*(ingress|egress)\(dp="([^"]*)", inport="([^"]*)"(?:, outport="([^"]*)")?\)')
_FLOW = re.compile(r"\s*\d+\. (\w+) \([^)]*\): (.*), priority \d+, uuid [0-9a-f]+")
_NO_MATCH = re.compile(r"\s*\d+\. (\w+): no match")
_OUTPUT = re.compile(r'\s*/\* output to "([^"]*)", type "([^"]*)" \*/')


@dataclass(frozen=True)
class Place:
    """Where in the network a packet is: a switch or a router (the UUID of its northbound row), on the way in
    or out, and the ports it came in and goes out by."""

    datapath: str
    leaving: bool
    inport: str
    outport: str


@dataclass(frozen=True)
class Passed:
    """The packet met a flow of a table. Without a match the table drops it."""

    place: Place
    stage: str
    match: str
    actions: tuple[str, ...]

    @property
    def drops(self) -> bool:
        return not self.match or "drop;" in self.actions


@dataclass(frozen=True)
class Delivered:
    """The packet was given to a port; `kind` is OVN's type of it: empty for a guest's, `localnet` for the way
    to the physical network, `patch` for the way to a router or a switch."""

    place: Place
    port: str
    kind: str


Event = Passed | Delivered


def read(text: str) -> list[Event]:
    """All that happened to the packet, in its order."""
    events: list[Event] = []
    place = Place("", False, "", "")
    stage, match = "", ""
    actions: list[str] = []

    def end_flow() -> None:
        if stage:
            events.append(Passed(place, stage, match, tuple(actions)))

    for line in text.splitlines():
        section, flow, lost, output = (p.match(line) for p in (_SECTION, _FLOW, _NO_MATCH, _OUTPUT))
        if section or flow or lost:
            end_flow()
            stage, match, actions = "", "", []
        if section:
            way, datapath, inport, outport = section.groups()
            place = Place(datapath, way == "egress", inport, outport or "")
        elif flow:
            stage, match = flow.groups()
        elif lost:
            stage = lost.group(1)
        elif output:
            end_flow()
            stage, match, actions = "", "", []
            events.append(Delivered(place, *output.groups()))
        elif stage and line.strip():
            actions.append(line.strip())
    end_flow()
    return events
