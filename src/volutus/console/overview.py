"""The first page: what runs, how much of the quota is used, what needs attention."""

from dataclasses import dataclass

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.rendering import Page, Renderer
from volutus.console.visits import Visit

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
    servers, broken, limits, volumes, network = await together(
        api.items("/compute/v2.1/servers/detail", "servers", limit=SHOWN_MAX, sort_key="created_at"),
        api.items("/compute/v2.1/servers/detail", "servers", limit=SHOWN_MAX, status="ERROR"),
        api.get("/compute/v2.1/limits"),
        api.get(f"/volume/v3/{visit.session.project_id}/limits"),
        api.get(f"/network/v2.0/quotas/{visit.session.project_id}/details"),
    )
    meters = _meters(limits["limits"]["absolute"], volumes["limits"]["absolute"], network["quota"])
    return renderer.page("overview.html", visit, servers=servers, broken=broken, meters=meters)


def _meters(compute: Document, volume: Document, network: Document) -> list[Meter]:
    return [
        Meter("Servers", compute["totalInstancesUsed"], compute["maxTotalInstances"]),
        Meter("Cores", compute["totalCoresUsed"], compute["maxTotalCores"]),
        Meter("Memory", compute["totalRAMUsed"], compute["maxTotalRAMSize"], "MiB"),
        Meter("Volumes", volume["totalVolumesUsed"], volume["maxTotalVolumes"]),
        Meter("Volume space", volume["totalGigabytesUsed"], volume["maxTotalVolumeGigabytes"], "GiB"),
        Meter("Networks", network["network"]["used"], network["network"]["limit"]),
        Meter("Floating IPs", network["floatingip"]["used"], network["floatingip"]["limit"]),
    ]


PAGE = Page("/", show)
