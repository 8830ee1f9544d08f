"""Placement, for operators: on which hosts a server of some size would fit, and the aggregates and zones that
hosts are in."""

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.language import _, ngettext
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import (
    CHOICES_MAX,
    Cell,
    Field,
    Form,
    Row,
    Search,
    Sheet,
    Table,
    delete_form,
    hidden,
)
from volutus.console.visits import Visit, see

_CANDIDATES = "/placement/allocation_candidates"
_PROVIDERS = "/placement/resource_providers"
_AGGREGATES = "/compute/v2.1/os-aggregates"
_ZONES = "/compute/v2.1/os-availability-zone/detail"
_HOSTS_MAX = 50
# A field of the question, its resource class, and what is asked where nothing is said: a small server.
_SIZE = (
    ("mhz", "CUSTOM_MHZ", 1000),
    ("cores", "VCPU", 1),
    ("memory", "MEMORY_MB", 512),
    ("disk", "DISK_GB", 0),
)


async def show(renderer: Renderer, visit: Visit) -> Response:
    """Hosts with room, the emptiest first, and how hosts are grouped."""
    amounts = _amounts(visit)
    resources = ",".join(f"{name}:{amount}" for name, amount in amounts.items())
    fitting, providers, aggregates, zones = await together(
        visit.api.get(_CANDIDATES, resources=resources),
        visit.api.items(_PROVIDERS, "resource_providers"),
        visit.api.items(_AGGREGATES, "aggregates"),
        visit.api.items(_ZONES, "availabilityZoneInfo"),
    )
    zone_of = {host: str(zone["zoneName"]) for zone in zones for host in zone["hosts"] or ()}
    names = {str(one["uuid"]): str(one["name"]) for one in providers}
    hosts = _hosts(fitting["provider_summaries"], amounts)
    total = sum(count for _key, _free, count in hosts)
    rows = [_row(key, names.get(key, key), zone_of, free, count) for key, free, count in hosts[:_HOSTS_MAX]]
    about = ngettext("%(count)s server of this size fits.", "%(count)s servers of this size fit.", total)
    sheet = Sheet(
        title=_("Placement"),
        about=about % {"count": f"{total:,}"},
        tables=[
            Table(
                (
                    _("Host"),
                    _("Zone"),
                    _("MHz free"),
                    _("Cores free"),
                    _("MiB free"),
                    _("GiB free"),
                    _("Fit"),
                ),
                rows,
                _("No host has so much room. Ask for less, or add a host."),
                search=Search("", _size_fields(visit)),
            ),
            Table(
                (_("Name"), _("Zone"), _("Hosts"), _("Metadata")),
                [_aggregate_row(one, sorted(names.values())) for one in aggregates],
                _("None. An aggregate names hosts that belong together; with a zone people can choose it."),
                title=_("Host aggregates"),
            ),
        ],
        create=[_create_form(visit)],
        command=f"openstack allocation candidate list{_options(amounts)}\nopenstack aggregate list --long\n"
        "openstack aggregate create --zone ZONE NAME\nopenstack aggregate add host NAME HOST",
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Make, fill, empty and delete aggregates."""
    wanted, key = visit.sent("act"), visit.sent("id")
    if wanted == "create":
        order = {"name": visit.sent("name"), "availability_zone": visit.sent("zone") or None}
        await visit.api.post(_AGGREGATES, {"aggregate": order})
        return see(visit.path, "created")
    if wanted == "delete":
        await visit.api.delete(f"{_AGGREGATES}/{key}")
        return see(visit.path, "deleted")
    verb = "add_host" if wanted == "add" else "remove_host"
    await visit.api.post(f"{_AGGREGATES}/{key}/action", {verb: {"host": visit.sent("host")}})
    return see(visit.path, "changed")


def _amounts(visit: Visit) -> dict[str, int]:
    """What is asked for by resource class, without what is nothing."""
    found = {}
    for field, name, usual in _SIZE:
        text = visit.asked(field)
        amount = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else usual
        found[name] = amount
    return {name: amount for name, amount in found.items() if amount} or {"VCPU": 1}


def _size_fields(visit: Visit) -> list[Field]:
    labels = (_("MHz"), _("Cores"), _("Memory, MiB"), _("Disk, GiB"))
    return [
        Field(field, label, "number", visit.asked(field) or str(usual))
        for (field, _class, usual), label in zip(_SIZE, labels, strict=True)
    ]


def _hosts(summaries: Document, amounts: dict[str, int]) -> list[tuple[str, dict[str, int], int]]:
    """Each host, what it has free of each class, and how many such servers that is; the most first."""
    found = []
    for key, one in summaries.items():
        free = {name: max(has["capacity"] - has["used"], 0) for name, has in one["resources"].items()}
        count = min(free.get(name, 0) // amount for name, amount in amounts.items())
        found.append((key, free, count))
    return sorted(found, key=lambda host: (-host[2], host[0]))


def _row(key: str, name: str, zone_of: dict[str, str], free: dict[str, int], count: int) -> Row:
    shown = (f"{free.get(resource, 0):,}" for _field, resource, _usual in _SIZE)
    cells = (
        Cell(name, f"/admin/hosts/{key}"),
        Cell(zone_of.get(name, "")),
        *(Cell(text, number=True) for text in shown),
        Cell(f"{count:,}", number=True),
    )
    return Row(cells, key=key)


def _aggregate_row(one: Document, hosts: list[str]) -> Row:
    key, name, members = str(one["id"]), str(one["name"]), list(one["hosts"])
    others = [(host, host) for host in hosts if host not in members][:CHOICES_MAX]
    metadata = ", ".join(f"{what}={value}" for what, value in one["metadata"].items())
    forms = []
    if others:
        field = Field("host", _("Host"), "select", options=others)
        title = _("Add a host")
        forms.append(Form("add", title, [*hidden(id=key), field], _("Add to %(name)s", name=name)))
    if members:
        field = Field("host", _("Host"), "select", options=[(host, host) for host in members])
        title = _("Remove a host")
        forms.append(Form("remove", title, [*hidden(id=key), field], _("Remove from %(name)s", name=name)))
    forms.append(delete_form(key, name, _("Its hosts and their servers stay; it must have no host left.")))
    cells = (
        Cell(name),
        Cell(str(one["availability_zone"] or "")),
        Cell(", ".join(members)),
        Cell(metadata, code=True),
    )
    return Row(cells, forms, key)


def _create_form(visit: Visit) -> Form:
    fields = [
        Field("name", _("Name"), value=visit.sent("name")),
        Field(
            "zone", _("Zone"), value=visit.sent("zone"), required=False, hint=_("Empty: hosts keep theirs.")
        ),
    ]
    opened = bool(visit.problem and visit.sent("act") == "create")
    return Form("create", _("Create an aggregate"), fields, _("Create"), open=opened)


def _options(amounts: dict[str, int]) -> str:
    return "".join(f" --resource {name}={amount}" for name, amount in amounts.items())


PAGE = Page("/admin/placement", show, act)
