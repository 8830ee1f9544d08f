"""Resizing: the server gets the values of another flavor on the host it is on, and its tenant confirms or
reverts.

A change of MHz alone, or with a larger disk, is made while the guest runs; more cores and memory too where
the image says that its system takes them (`hw_live_resize`). Everything else needs a stop, also other
ephemeral disks and other swap.
Until the tenant confirms, the larger of both sizes stays claimed and charged, so that reverting always works.
A disk never shrinks: reverted, a server keeps the larger one. Swap is made anew in either direction.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from volutus import metering, placement, quota, volume
from volutus.compute import (
    actions,
    flavors,
    guest_orders,
    hardware,
    history,
    local_disks,
    meters,
    reports,
    servers,
    steps,
)
from volutus.compute.faults import FlavorNotFound
from volutus.compute.flavors import Flavor
from volutus.compute.hardware import Shape
from volutus.compute.local_disks import LocalDisks
from volutus.compute.servers import Guest, Server
from volutus.compute.steps import Step
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.reconcile import Again, Done, Outcome, wake
from volutus.volume import Role

_STATES = frozenset({"active", "stopped"})
_FIELDS = (
    "flavor_id",
    "flavor_name",
    "mhz",
    "cores",
    "memory_mib",
    "disk_gib",
    "ephemeral_gib",
    "swap_mib",
    "extra_specs",
)
LOOK_AGAIN_S = 2.0
# A tenant who forgot a resize pays for the larger size no longer than this.
CONFIRMED_AFTER = timedelta(hours=24)

Size = Mapping[str, Any]


def resize(tx: Tx, caller: Caller, server_id: str, flavor_id: str, disk_config: str | None = None) -> None:
    """Order another size. Raises WrongState, Invalid, QuotaExceeded; NoCapacity when the host
    has no room for it."""
    server = actions.changeable(tx, caller, server_id, "resize", _STATES, idle=True)
    try:
        flavor = flavors.get(tx, caller, flavor_id)
    except FlavorNotFound as error:
        raise Invalid(error.message, field="flavorRef") from error
    if flavor.id == server.flavor_id:
        raise Invalid("When resizing, instances must change flavor!", field="flavorRef")
    if server.root_volume_gib and flavor.disk_gib and flavor.disk_gib < server.root_volume_gib:
        raise Invalid(
            f"The root disk has {server.root_volume_gib} GiB and a disk cannot shrink: flavor {flavor.id} "
            f"has {flavor.disk_gib}.",
            field="flavorRef",
        )
    if flavor.disabled:
        raise Invalid(f"Flavor {flavor.id} is disabled.", field="flavorRef")
    other = _size_of_flavor(flavor)
    now = local_disks.present(tx, server.id)
    local = local_disks.after_resize(now, server, flavor)
    if _resources(server, _size(server)) != _resources(server, other):
        raise Invalid(
            "A server keeps its devices and its pages of memory: with others it is made anew.",
            field="flavorRef",
        )
    old = _amounts(_size(server))
    quota.charge(tx, server.project_id, _difference(_largest(old, _amounts(other)), old))
    root_gib = max(server.root_volume_gib, flavor.disk_gib) if server.root_volume_gib else 0
    _claim(tx, server, _largest(_size(server), other), root_gib + local_disks.largest(now, local))
    if disk_config is not None:
        servers.write(tx, server.id, disk_config=disk_config)
    data = {"size": other, "local": local_disks.noted(local)}
    if server.status.vm_state == "active" and now == local and _fits_live(server, other):
        _swap(tx, server, Step.RESIZE_START, data)
    else:
        steps.enter(tx, server.id, Step.RESIZE_STOP, data)
    actions.touched(tx, caller, server, "resize")


def confirm(tx: Tx, caller: Caller, server_id: str) -> None:
    """Keep the new size. Raises WrongState."""
    server = actions.changeable(tx, caller, server_id, "confirmResize", {"resized"}, idle=True)
    _confirm(tx, server)
    history.began(tx, caller, server.id, "confirmResize", finished=True)
    actions.audited(tx, caller, server, "confirmResize")


def revert(tx: Tx, caller: Caller, server_id: str) -> None:
    """Go back to the size before. Raises WrongState."""
    server = actions.changeable(tx, caller, server_id, "revertResize", {"resized"}, idle=True)
    same = _local(tx, server) == local_disks.present(tx, server.id)
    if same and _fits_live(server, server.step_data["size"]):
        _swap(tx, server, Step.REVERT_START, server.step_data)
    else:
        steps.enter(tx, server.id, Step.REVERT_STOP)
    actions.touched(tx, caller, server, "revertResize")


def charged(server: Server) -> dict[str, int]:
    """What a server counts for in its project's quota; while two sizes are held, the larger of each."""
    amounts = _amounts(_size(server))
    other = server.step_data.get("size")
    return {"instances": 1, **(_largest(amounts, _amounts(other)) if other else amounts)}


def stop(tx: Tx, server: Server) -> Outcome:
    """Wait until the guest is off, and give it the other size."""
    guest = server.guest
    if guest is None or guest.assigned_at is None:
        return Again(LOOK_AGAIN_S, "it has no guest to stop")
    guest_orders.order(tx, server, guest)
    if guest.state in ("running", "paused", "suspended") or not _has_done(tx, server):
        return Again(LOOK_AGAIN_S, "its guest stops")
    after = Step.RESIZE_START if server.step == Step.RESIZE_STOP else Step.REVERT_START
    _swap(tx, server, after, server.step_data)
    return Again(0, "it has its other size")


def start(tx: Tx, server: Server) -> Outcome:
    """Have the guest as it was, with the size it has now."""
    guest = server.guest
    if guest is None:
        return Again(LOOK_AGAIN_S, "it has no guest to start")
    readiness = volume.ready(tx, server.id)
    if not readiness.ready and not readiness.fault:
        return Again(LOOK_AGAIN_S, "its disk grows")
    guest_orders.order(tx, server, guest)
    if guest.state == "failed":
        servers.fail(tx, server.id, guest.fault or "The host could not start the resized server.")
        history.ended(tx, server.id, guest.fault)
        return Done()
    running = guest.state == "running"
    if not _has_done(tx, server) or running is not (server.power == "on"):
        return Again(LOOK_AGAIN_S, "its guest starts")
    if server.step == Step.RESIZE_START:
        steps.arrive(tx, server.id, Step.RESIZED)
        return Again(CONFIRMED_AFTER.total_seconds(), "its tenant confirms or reverts")
    _settle(tx, server)
    steps.arrive(tx, server.id, None)
    return Done()


def rest(tx: Tx, server: Server) -> Outcome | None:
    """Resized: as any server, until it is confirmed for the tenant."""
    if server.step_since is not None and tx.now - server.step_since >= CONFIRMED_AFTER:
        _confirm(tx, server)
        history.began(tx, CLOUD, server.id, "confirmResize", finished=True)
        return Done()
    return None


def _confirm(tx: Tx, server: Server) -> None:
    _settle(tx, server)
    steps.enter(tx, server.id, None)
    wake(tx, reports.SERVER, server.id)


def _settle(tx: Tx, server: Server) -> None:
    """Hold and charge the present size alone."""
    size = _size(server)
    extra = _difference(charged(server), {"instances": 1, **_amounts(size)})
    quota.release(tx, server.project_id, extra)
    _claim(tx, server, size, server.root_volume_gib + local_disks.present(tx, server.id).gib)


def _swap(tx: Tx, server: Server, step: Step, data: Mapping[str, Any]) -> None:
    """Take the other size and the other disks, and remember the present ones in their place."""
    other = data["size"]
    grown = max(server.root_volume_gib, other["disk_gib"]) if server.root_volume_gib else 0
    left = {"size": _size(server), "local": local_disks.noted(local_disks.present(tx, server.id))}
    steps.enter(tx, server.id, step, left, **other, root_volume_gib=grown)
    local_disks.change(tx, server, _local(tx, server, data))
    own = volume.own_disks(tx, [server.id])[server.id]
    for disk in own:
        if disk.role is Role.ROOT:
            volume.grow_own(tx, disk.id, grown)
    if server.guest is not None:
        volume.place(tx, [disk.id for disk in own], server.guest.host_id)
    if server.guest is not None and server.guest.state in ("running", "paused"):
        size = {name: other[name] for name in ("mhz", "cores", "memory_mib")}
        metering.correct_usage(tx, meters.usages(server.id, replace(server, **size)))


def _local(tx: Tx, server: Server, data: Mapping[str, Any] | None = None) -> LocalDisks:
    """The disks beside the root that come with the other size. What was begun by an older version notes none:
    they stay."""
    note = (data or server.step_data).get("local")
    return local_disks.recalled(note) if note is not None else local_disks.present(tx, server.id)


def _claim(tx: Tx, server: Server, size: Size, disk_gib: int) -> None:
    memory_mib = 0 if hardware.of(_shape(server, _size(server))).page_size_kib else size["memory_mib"]
    shares = placement.Shares(size["mhz"], size["cores"], memory_mib, disk_gib)
    placement.change_claim(tx, server.id, shares)


def _has_done(tx: Tx, server: Server) -> bool:
    """Whether the host carried out the newest order, this one included."""
    latest = servers.by_id(tx, server.id)
    guest: Guest | None = latest.guest if latest else None
    return guest is not None and guest.caught_up


def _resources(server: Server, size: Size) -> dict[str, int]:
    return hardware.resources(hardware.of(_shape(server, size)), size["memory_mib"])


def _fits_live(server: Server, other: Size) -> bool:
    guest = server.guest
    growth = (guest.cores_max, guest.memory_mib_max) if guest and guest.state == "running" else (0, 0)
    return hardware.grows_live(_shape(server, _size(server)), _shape(server, other), *growth)


def _shape(server: Server, size: Size) -> Shape:
    return Shape(server.image_properties, size["extra_specs"], size["cores"], size["memory_mib"])


def _size(server: Server) -> dict[str, Any]:
    return {name: getattr(server, name) for name in _FIELDS}


def _size_of_flavor(flavor: Flavor) -> dict[str, Any]:
    same = {name: getattr(flavor, name) for name in _FIELDS if not name.startswith(("flavor_", "extra"))}
    named = {"flavor_id": flavor.id, "flavor_name": flavor.name, "extra_specs": dict(flavor.extra_specs)}
    return {**same, **named}


def _amounts(size: Size) -> dict[str, int]:
    return {"cores": size["cores"], "ram": size["memory_mib"], "mhz": size["mhz"]}


def _largest(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, int]:
    numbers = [name for name, value in one.items() if isinstance(value, int)]
    return {name: max(one[name], other[name]) for name in numbers}


def _difference(more: Mapping[str, int], less: Mapping[str, int]) -> dict[str, int]:
    return {name: more[name] - less[name] for name in more if more[name] > less.get(name, 0)}
