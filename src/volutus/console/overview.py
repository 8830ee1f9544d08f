"""The first page: what runs, what it costs, how much of the quota is used, what needs attention."""

from dataclasses import dataclass

from starlette.responses import Response

from volutus.console.api import ApiProblem, Document, together
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.servers import ROOT, shown_state
from volutus.console.states import is_busy
from volutus.console.visits import Visit
from volutus.console.volumes import root

SHOWN_MAX = 10


@dataclass(frozen=True)
class Meter:
    """A quota and what is used of it; `limit` below 0 is none."""

    name: str
    used: int
    limit: int
    unit: str = ""

    @property
    def full(self) -> bool:
        return 0 <= self.limit <= self.used


async def show(renderer: Renderer, visit: Visit) -> Response:
    """Everything is asked for at once."""
    api = visit.api
    servers, broken, lost, limits, volumes, network, balance = await together(
        api.items(f"{ROOT}/detail", "servers", limit=SHOWN_MAX, sort_key="created_at"),
        api.items(f"{ROOT}/detail", "servers", limit=SHOWN_MAX, status="ERROR"),
        api.items(f"{root(visit)}/volumes/detail", "volumes", limit=SHOWN_MAX, status="error"),
        api.get("/compute/v2.1/limits"),
        api.get(f"/volume/v3/{visit.session.project_id}/limits"),
        api.get(f"/network/v2.0/quotas/{visit.session.project_id}/details"),
        _money(visit),
    )
    meters = _meters(limits["limits"]["absolute"], volumes["limits"]["absolute"], network["quota"])
    busy = any(is_busy(shown_state(one)) for one in servers)
    values = {"servers": servers, "broken": broken, "lost": lost, "meters": meters, "balance": balance}
    return renderer.page("overview.html", visit, busy=busy, **values)


async def _money(visit: Visit) -> Document | None:
    """The balance, what this month cost and will have cost; None where nobody pays."""
    try:
        found, forecast = await together(
            visit.api.get("/billing/v1/balance"), visit.api.get("/billing/v1/forecast")
        )
    except ApiProblem as problem:
        if problem.status == 401:
            raise
        return None
    return {**found["balance"], "month": forecast["forecast"]}


def _meters(compute: Document, volume: Document, network: Document) -> list[Meter]:
    return [
        Meter(_("Servers"), compute["totalInstancesUsed"], compute["maxTotalInstances"]),
        Meter(_("Cores"), compute["totalCoresUsed"], compute["maxTotalCores"]),
        Meter(_("Memory"), compute["totalRAMUsed"], compute["maxTotalRAMSize"], "MiB"),
        Meter(_("Volumes"), volume["totalVolumesUsed"], volume["maxTotalVolumes"]),
        Meter(_("Volume space"), volume["totalGigabytesUsed"], volume["maxTotalVolumeGigabytes"], "GiB"),
        Meter(_("Networks"), network["network"]["used"], network["network"]["limit"]),
        Meter(_("Floating IPs"), network["floatingip"]["used"], network["floatingip"]["limit"]),
    ]


PAGE = Page("/", show)
