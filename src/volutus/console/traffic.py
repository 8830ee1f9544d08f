"""Outgoing traffic of a server: paid by volume, at most as fast as a policy of the operator's lets it, which
bounds the cost; or by a committed rate, whatever volume it is."""

from dataclasses import dataclass
from decimal import Decimal

from volutus.console.api import Api, Document, together
from volutus.console.language import _
from volutus.console.shapes import CHOICES_MAX, Field, Form
from volutus.console.visits import Visit

RATE, VOLUME = "rate", "volume"
METER_RATE = "bandwidth_mbit"
_PORTS = "/network/v2.0/ports"
_POLICIES = "/network/v2.0/qos/policies"
_KBIT = Decimal(1000)
_BOUNDS = (1, 1000)


@dataclass(frozen=True)
class Cap:
    """A policy that limits how fast data goes out."""

    policy_id: str
    name: str
    mbit: Decimal

    @property
    def shown(self) -> str:
        return _("at most %(mbit)s Mbit/s (%(name)s)", mbit=f"{self.mbit.normalize():f}", name=self.name)


async def caps(api: Api) -> list[Cap]:
    """What the operator offers, the slowest first."""
    found = await api.maybe(_POLICIES, "policies", limit=CHOICES_MAX)
    offered = [
        Cap(str(policy["id"]), str(policy["name"]), Decimal(rule["max_kbps"]) / _KBIT)
        for policy in found
        for rule in policy["rules"]
        if rule["type"] == "bandwidth_limit" and rule["direction"] == "egress"
    ]
    return sorted(offered, key=lambda cap: cap.mbit)


def fields(offered: list[Cap], visit: Visit, now: str = "") -> list[Field]:
    """The choice between them; `now` is the policy that limits already."""
    kinds = [(VOLUME, _("by volume, each GB that goes out")), (RATE, _("by a committed rate"))]
    options = [("", _("not limited")), *[(cap.policy_id, cap.shown) for cap in offered]]
    return [
        Field("traffic", _("Outgoing traffic"), "select", visit.sent("traffic"), options=kinds),
        Field("cap", _("How fast"), "select", visit.sent("cap") or now, options=options, required=False),
        Field("mbit", _("Committed rate, Mbit/s"), "slider", visit.sent("mbit") or "10", bounds=_BOUNDS),
    ]


def form(offered: list[Cap], visit: Visit, ports: list[Document]) -> Form:
    """To change it for a server that there is."""
    now = next((str(port["qos_policy_id"]) for port in ports if port.get("qos_policy_id")), "")
    button = _("Change how traffic is paid")
    return Form("traffic", _("Outgoing traffic"), fields(offered, visit, now), button)


def quoted(visit: Visit, offered: list[Cap]) -> tuple[dict[str, int], Document]:
    """For a quote: amounts of meters, and what else of the order it depends on."""
    if visit.sent("traffic") == RATE:
        mbit = visit.sent("mbit")
        return {METER_RATE: int(mbit) if mbit.isascii() and mbit.isdigit() else 0}, {}
    chosen = next((cap for cap in offered if cap.policy_id == visit.sent("cap")), None)
    return {}, {"traffic_cap_mbit": str(chosen.mbit)} if chosen else {}


async def order(visit: Visit, server_id: str, *, new: bool) -> None:
    """Have all ports of a server pay as the form says. Raises ApiProblem, for example when the operator's
    uplink has no such rate left."""
    rate = visit.number("mbit", _("Committed rate, Mbit/s")) if visit.sent("traffic") == RATE else 0
    cap = visit.sent("cap")
    if new and not rate and not cap:
        # As every server begins.
        return
    ports = await visit.api.items(_PORTS, "ports", device_id=server_id, limit=CHOICES_MAX)
    await together(*(_order_port(visit.api, str(port["id"]), rate, cap) for port in ports))


async def _order_port(api: Api, port_id: str, rate: int, cap: str) -> None:
    wanted: Document = {"method": RATE, "mbit": str(rate)} if rate else {"method": VOLUME}
    await api.put(f"/billing/v1/traffic/ports/{port_id}", {"traffic": wanted})
    await api.put(f"{_PORTS}/{port_id}", {"port": {"qos_policy_id": cap or None}})
