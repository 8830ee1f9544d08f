"""The page of one server: its state as it changes, what it has, what happened to it, what can be done."""

from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from volutus.console import packages, quotes, traffic
from volutus.console.api import ApiProblem, Document, together
from volutus.console.language import _
from volutus.console.money import amount, meter_name
from volutus.console.rendering import Page, Renderer
from volutus.console.server_create import local_gib, sliders, spelled_flavor
from volutus.console.servers import POWER, ROOT, shown_state
from volutus.console.shapes import CHOICES_MAX, Field, Form, Link, Sheet, choices, hidden
from volutus.console.states import is_busy
from volutus.console.visits import Visit, see

# Steps of one action are asked for one by one: the newest few say what is going on.
ACTIONS_SHOWN = 6
LOG_LINES = 400
_SCREENS = {"vnc": ("vnc", "novnc"), "serial": ("serial", "serial")}


async def show(renderer: Renderer, visit: Visit) -> Response:
    """One server."""
    server_id = visit.param("id")
    found, attachments, actions, volumes, ports, caps = await together(
        visit.api.get(f"{ROOT}/{server_id}"),
        visit.api.items(f"{ROOT}/{server_id}/os-volume_attachments", "volumeAttachments"),
        visit.api.items(f"{ROOT}/{server_id}/os-instance-actions", "instanceActions", limit=ACTIONS_SHOWN),
        visit.api.maybe(f"/volume/v3/{visit.session.project_id}/volumes", "volumes", limit=CHOICES_MAX),
        visit.api.maybe("/network/v2.0/ports", "ports", limit=CHOICES_MAX, device_id=server_id),
        traffic.caps(visit.api),
    )
    server = found["server"]
    steps = await together(
        *(
            visit.api.get(f"{ROOT}/{server_id}/os-instance-actions/{action['request_id']}")
            for action in actions[:ACTIONS_SHOWN]
        )
    )
    state = shown_state(server)
    # Below the part that changes by itself: not asked for again and again.
    term = None if visit.live_only else await packages.of_server(visit.api, server_id)
    values: dict[str, Any] = {
        "server": server,
        "state": state,
        "attachments": attachments,
        "volumes": dict(choices(volumes)),
        "events": [step["instanceAction"] for step in steps],
        "power": _power_forms(server, state),
        "others": [
            *_other_forms(server, state, volumes, ports),
            traffic.form(caps, visit, ports),
            packages.form(visit, server, term),
            _delete_form(server),
        ],
        "price": await _price(visit, server),
        "cost": None if visit.live_only else await _cost(visit, server_id),
    }
    return renderer.page("server.html", visit, busy=is_busy(state), **values)


async def act(renderer: Renderer, visit: Visit) -> Response:
    """Whatever a form of the page asks for."""
    server_id, wanted = visit.param("id"), visit.sent("act")
    path = f"{ROOT}/{server_id}"
    if wanted == "delete":
        await visit.api.delete(path)
        return see("/servers", "deleted")
    if wanted in _SCREENS:
        return await _open_screen(renderer, visit, path, *_SCREENS[wanted])
    if wanted in POWER:
        await visit.api.post(f"{path}/action", POWER[wanted])
    elif wanted == "rename":
        await visit.api.put(path, {"server": {"name": visit.sent("name")}})
    elif wanted == "resize":
        await visit.api.post(f"{path}/action", {"resize": {"flavorRef": spelled_flavor(visit)}})
    elif wanted == "traffic":
        await traffic.order(visit, server_id, new=False)
    elif wanted in packages.ACTS:
        await packages.act(visit, server_id)
    elif wanted == "trace":
        return await _show_trace(renderer, visit)
    elif wanted == "image":
        await visit.api.post(f"{path}/action", {"createImage": {"name": visit.sent("name")}})
        return see("/images", "created")
    elif wanted == "attach":
        attachment = {"volumeAttachment": {"volumeId": visit.sent("volume")}}
        await visit.api.post(f"{path}/os-volume_attachments", attachment)
    elif wanted == "detach":
        await visit.api.delete(f"{path}/os-volume_attachments/{visit.sent('volume')}")
    return see(visit.path, "changed")


async def show_log(renderer: Renderer, visit: Visit) -> Response:
    """The end of what the server wrote to its serial console."""
    server_id = visit.param("id")
    found, output = await together(
        visit.api.get(f"{ROOT}/{server_id}"),
        visit.api.post(f"{ROOT}/{server_id}/action", {"os-getConsoleOutput": {"length": LOG_LINES}}),
    )
    return renderer.page("server_log.html", visit, server=found["server"], log=output["output"] or "")


async def show_sample(_renderer: Renderer, visit: Visit) -> Response:
    """The counters of this moment, for the page's charts. `{}` where the host has none."""
    try:
        found = await visit.api.get(f"{ROOT}/{visit.param('id')}/diagnostics")
    except ApiProblem as problem:
        if problem.status == 401:
            raise
        found = {}
    return JSONResponse(found)


async def _open_screen(renderer: Renderer, visit: Visit, path: str, protocol: str, kind: str) -> Response:
    order = {"remote_console": {"protocol": protocol, "type": kind}}
    made = (await visit.api.post(f"{path}/remote-consoles", order))["remote_console"]
    address = str(made["url"])
    if visit.api.is_far(path):
        return _screen_elsewhere(renderer, visit, address)
    # The API names its origin as it knows it; the browser stays on the one it is at.
    return see(address[address.index("/", address.index("://") + 3) :])


def _screen_elsewhere(renderer: Renderer, visit: Visit, address: str) -> Response:
    """Another region shows its screens itself: the browser goes there by the user's own click, and no form of
    ours ends at a place that an answer names."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ApiProblem(502, _("The region %(name)s gave no address of a screen.", name=visit.region), "")
    about = _("%(host)s shows it, for the region %(name)s.", host=parts.hostname, name=visit.region)
    sheet = Sheet(
        title=_("Screen"),
        about=about,
        command=f"openstack console url show {visit.param('id')}",
        links=[Link(address, _("Open it at %(host)s", host=parts.hostname))],
        crumb=(visit.path, _("Back to the server")),
    )
    return renderer.sheet(visit, sheet)


def _power_forms(server: Document, state: str) -> list[Form]:
    if is_busy(state):
        return []
    titles = (
        ("start", _("Start"), ("SHUTOFF",)),
        ("stop", _("Stop"), ("ACTIVE",)),
        ("reboot", _("Reboot"), ("ACTIVE",)),
        ("hard-reboot", _("Power cycle"), ("ACTIVE", "SHUTOFF", "ERROR")),
        ("pause", _("Pause"), ("ACTIVE",)),
        ("unpause", _("Go on"), ("PAUSED",)),
        ("resume", _("Go on"), ("SUSPENDED",)),
        ("unrescue", _("End the rescue"), ("RESCUE",)),
        ("unshelve", _("Take it back out"), ("SHELVED", "SHELVED_OFFLOADED")),
        ("confirm", _("Keep the new size"), ("VERIFY_RESIZE",)),
        ("revert", _("Back to the old size"), ("VERIFY_RESIZE",)),
    )
    forms = [Form(act, title, direct=True) for act, title, states in titles if server["status"] in states]
    if server["status"] == "ACTIVE":
        forms += [
            Form("vnc", _("Screen"), direct=True),
            Form("serial", _("Serial console"), direct=True),
        ]
    return forms


async def _cost(visit: Visit, server_id: str) -> Document | None:
    """What it and its disks cost in the last 30 days; None where nothing was charged for."""
    try:
        found = (await visit.api.get(f"/billing/v1/usage/server/{server_id}"))["cost"]
    except ApiProblem as problem:
        if problem.status == 401:
            raise
        return None
    if not found["lines"]:
        return None
    lines = [(meter_name(one["meter"]), amount(one["amount"], found["currency"])) for one in found["lines"]]
    return {"total": amount(found["total"], found["currency"]), "lines": lines}


async def _price(visit: Visit, server: Document) -> Document | None:
    """What it costs as it is, at the prices of now."""
    flavor = server["flavor"]
    amounts = {
        "cpu_mhz": int(flavor["extra_specs"].get("volutus:mhz", 0)),
        "memory_mib": int(flavor["ram"]),
        "storage_gib": int(flavor["disk"]) + local_gib(flavor["ephemeral"], flavor["swap"]),
    }
    return await quotes.quote(visit, amounts)


async def _show_trace(renderer: Renderer, visit: Visit) -> Response:
    """Where a packet of the server would go."""
    server = (await visit.api.get(f"{ROOT}/{visit.param('id')}"))["server"]
    query = visit.chosen("to", "protocol", "port")
    path = f"/network/v2.0/ports/{visit.sent('from')}/trace"
    found = (await visit.api.get(path, **query))["trace"]
    return renderer.page("trace.html", visit, server=server, trace=found, query=query)


def _size_fields(server: Document) -> list[Field]:
    """Sliders that begin at the present size; a disk only grows."""
    flavor = server["flavor"]
    now = {
        "mhz": int(flavor["extra_specs"].get("volutus:mhz", 1000)),
        "cores": int(flavor["vcpus"]),
        "memory": int(flavor["ram"]),
        "disk": int(flavor["disk"]),
    }
    fields = hidden(size="free")
    for name, label, least, most, step, _preset in sliders():
        bounds = (now[name] if name == "disk" else least, max(most, now[name]))
        fields.append(Field(name, label, "slider", str(now[name]), bounds=bounds, step=step))
    return fields


def _trace_form(ports: list[Document]) -> Form:
    sources = [(str(one["id"]), str(one["fixed_ips"][0]["ip_address"])) for one in ports if one["fixed_ips"]]
    protocols = [("icmp", "ICMP"), ("tcp", "TCP"), ("udp", "UDP")]
    fields = [
        Field("from", _("From"), "select", options=sources),
        Field("to", _("To the address")),
        Field("protocol", _("Protocol"), "select", options=protocols),
        Field("port", _("Port"), "number", required=False, bounds=(1, 65535)),
    ]
    return Form("trace", _("Trace a packet"), fields, _("Trace it"))


def _other_forms(server: Document, state: str, volumes: list[Document], ports: list[Document]) -> list[Form]:
    name = str(server["name"])
    forms = [
        Form(
            "rename",
            _("Rename"),
            [Field("name", _("Name"), value=name)],
            _("Rename %(name)s", name=name),
        )
    ]
    if not is_busy(state):
        free = choices(volumes)
        image = Field(
            "name", _("Name of the image"), value=f"{name}-image", hint=_("Download it from there.")
        )
        forms.append(Form("image", _("Make an image"), [image], _("Make an image of %(name)s", name=name)))
        if server["status"] in ("ACTIVE", "SHUTOFF"):
            about = _("It is stopped for a moment. Look whether all is well, then keep the new size.")
            button = _("Resize %(name)s", name=name)
            fields = _size_fields(server)
            forms.append(Form("resize", _("Resize"), fields, button, about=about, priced="/servers/price"))
            forms += [
                Form("suspend", _("Suspend"), button=_("Suspend %(name)s", name=name)),
                Form("rescue", _("Rescue"), button=_("Rescue %(name)s", name=name)),
                Form("shelve", _("Shelve"), button=_("Shelve %(name)s", name=name)),
            ]
        if any(one["fixed_ips"] for one in ports):
            forms.append(_trace_form(ports))
        if free:
            choice = Field("volume", _("Volume"), "select", options=free)
            forms.append(Form("attach", _("Attach a volume"), [choice], _("Attach")))
    return forms


def _delete_form(server: Document) -> Form:
    name = str(server["name"])
    lost = _(
        "The server %(name)s, its own disk and all on it are gone at once. Attached volumes stay.", name=name
    )
    return Form("delete", _("Delete"), hidden(), _("Delete %(name)s", name=name), danger=lost)


PAGES = (
    Page("/servers/{id}", show, act),
    Page("/servers/{id}/log", show_log),
    Page("/servers/{id}/sample", show_sample),
)
