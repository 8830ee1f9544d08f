"""Hosts and capacity, for operators: what there is, what is claimed, and which servers are where."""

from collections.abc import Mapping

from starlette.responses import Response

from volutus.console.admin_projects import ROOT as PROJECTS
from volutus.console.api import Document, together
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.servers import ROOT as SERVERS
from volutus.console.servers import shown_state
from volutus.console.shapes import (
    CHOICES_MAX,
    Cell,
    Field,
    Form,
    Row,
    Sheet,
    Table,
    choices,
    hidden,
    moment,
    page_of,
)
from volutus.console.visits import Visit, see

_HYPERVISORS = "/compute/v2.1/os-hypervisors"
_SERVICES = "/compute/v2.1/os-services"
_PROVIDERS = "/placement/resource_providers"
# One page's hosts are asked for one by one.
_HOSTS_MAX = 50


async def show_list(renderer: Renderer, visit: Visit) -> Response:
    """All hosts with what they have and what of it is claimed."""
    (hosts, more), services = await together(
        page_of(visit, f"{_HYPERVISORS}/detail", "hypervisors"),
        visit.api.items(_SERVICES, "services"),
    )
    shares = await together(*(_share(visit, str(one["id"])) for one in hosts[:_HOSTS_MAX]))
    sheet = Sheet(
        title=_("Hosts and capacity"),
        about=_("Claimed is what ordered servers hold, running or not."),
        tables=[
            Table(
                (_("Name"), _("State"), _("Orders"), _("CPU"), _("Memory"), _("Disk")),
                [_row(one, share) for one, share in zip(hosts, shares, strict=False)],
                _("No host yet. Make a join token and start an agent with it."),
                more=more,
            ),
            Table(
                (_("Program"), _("Host"), _("State"), _("Heard")),
                [
                    Row(
                        (
                            Cell(one["binary"]),
                            Cell(one["host"]),
                            Cell(one["state"], state=True),
                            moment(one["updated_at"]),
                        )
                    )
                    for one in services
                ],
                _("No program reported itself."),
                title=_("Programs"),
            ),
        ],
        command="openstack hypervisor list --long\nopenstack resource provider list\n"
        "openstack compute service list\nopenstack compute service set --disable HOST nova-compute",
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Whether a host gets new servers."""
    change: Document = {"status": "enabled"}
    if visit.sent("act") == "disable":
        change = {"status": "disabled", "disabled_reason": visit.sent("why")}
    await visit.api.put(f"{_SERVICES}/{visit.sent('id')}", change)
    return see("/admin/hosts", "changed")


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The servers of one host, of all projects."""
    key = visit.param("id")
    host = (await visit.api.get(f"{_HYPERVISORS}/{key}"))["hypervisor"]
    name = str(host["hypervisor_hostname"])
    (servers, more), projects = await together(
        page_of(visit, f"{SERVERS}/detail", "servers", all_tenants="1", host=name),
        visit.api.items(PROJECTS, "projects", limit=CHOICES_MAX),
    )
    names = dict(choices(projects))
    sheet = Sheet(
        title=name,
        about="",
        tables=[
            Table(
                (_("Server"), _("State"), _("Project"), _("Size")),
                [
                    Row(
                        (
                            Cell(one["name"]),
                            Cell(shown_state(one), state=True),
                            _project(one["tenant_id"], names),
                            Cell(one["flavor"]["original_name"]),
                        ),
                        key=one["id"],
                    )
                    for one in servers
                ],
                _("No server is here."),
                more=more,
            )
        ],
        command=f"openstack server list --all-projects --host {name}",
        crumb=("/admin/hosts", _("Hosts and capacity")),
    )
    return renderer.sheet(visit, sheet)


def _project(key: str, names: Mapping[str, str]) -> Cell:
    return Cell(names[key], f"/admin/projects/{key}") if key in names else Cell(key, code=True)


async def _share(visit: Visit, key: str) -> dict[str, str]:
    """What of each resource is claimed, of how much, as text."""
    inventories, usages = await together(
        visit.api.get(f"{_PROVIDERS}/{key}/inventories"), visit.api.get(f"{_PROVIDERS}/{key}/usages")
    )
    return {
        name: f"{usages['usages'].get(name, 0):,} / {int(one['total'] * one.get('allocation_ratio', 1)):,}"
        for name, one in inventories["inventories"].items()
    }


def _row(one: Document, share: dict[str, str]) -> Row:
    key, name = str(one["id"]), str(one["hypervisor_hostname"])
    enabled = one["status"] == "enabled"
    mhz = next((text for label, text in share.items() if "MHZ" in label), share.get("VCPU", ""))
    cells = (
        Cell(name, f"/admin/hosts/{key}"),
        Cell(one["state"], state=True),
        Cell(one["status"], state=True),
        Cell(mhz, number=True),
        Cell(share.get("MEMORY_MB", ""), number=True),
        Cell(share.get("DISK_GB", ""), number=True),
    )
    if enabled:
        why = Field("why", _("Why"))
        lost = _("%(name)s gets no new servers; those there run on.", name=name)
        form = Form("disable", _("Disable"), [*hidden(id=key), why], _("Disable %(name)s", name=name), lost)
    else:
        form = Form("enable", _("Enable"), hidden(id=key), direct=True)
    return Row(cells, [form], key)


PAGES = (Page("/admin/hosts", show_list, act), Page("/admin/hosts/{id}", show))
