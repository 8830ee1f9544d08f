"""Rescue: the server boots a system from another disk, and finds its own disks behind it.

By default the rescue disk is the first, as Nova always had it. An image that says `hw_rescue_device` or
`hw_rescue_bus` leaves all disks at their places: it comes last and is booted from (stable rescue).
"""

from dataclasses import dataclass

from volutus import image, volume
from volutus.compute import actions, guest_orders, rescue_disks, server_disks, servers, steps
from volutus.compute.servers import Server
from volutus.compute.steps import Step
from volutus.db import Tx
from volutus.errors import Conflict, Invalid, NotFound
from volutus.identity import Caller
from volutus.image import Image
from volutus.reconcile import Again, Done, Outcome
from volutus.volume import Role, RootDisk

_STATES = frozenset({"active", "stopped", "error"})
LOOK_AGAIN_S = 2.0


@dataclass(frozen=True)
class Rescue:
    """`image_id` None boots the image that the server was made from. `volumes_too` is whether a server that
    boots from a volume may be rescued, which older clients do not expect."""

    image_id: str | None = None
    admin_pass: str | None = None
    volumes_too: bool = False


def rescue(tx: Tx, caller: Caller, server_id: str, wanted: Rescue) -> None:
    """Order a rescue. Raises WrongState, Invalid for an image that cannot be booted."""
    server = actions.changeable(tx, caller, server_id, "rescue", _STATES, idle=True)
    if server.first_launched_at is None or server.guest is None:
        raise Conflict("Only a server that ran can be rescued.")
    found = _image(tx, caller, server, wanted)
    look = rescue_disks.look_of(found)
    if not server.root_volume_gib and not (wanted.volumes_too and look):
        raise Invalid(
            "Cannot rescue a volume-backed instance unless the rescue image says hw_rescue_device or "
            "hw_rescue_bus.",
            field="rescue_image_ref",
        )
    boot = image.boot_parts(tx, caller, found)
    gib = max(server_disks.gib_of(found), found.min_disk_gib, 1)
    disk_id = volume.order_root(tx, _owner(server), RootDisk(server.id, found, gib, Role.RESCUE))
    volume.place(tx, [disk_id], server.guest.host_id)
    data = {
        "disk_id": disk_id,
        "look": look,
        "kernel": server_disks.source_of(boot.kernel),
        "ramdisk": server_disks.source_of(boot.ramdisk),
        "command_line": str(found.properties.get("os_command_line", "")),
        "power": server.power,
    }
    values = {"admin_pass": wanted.admin_pass, **actions.NO_FAULT}
    steps.enter(tx, server.id, Step.RESCUE_DISK, data, **values)
    actions.touched(tx, caller, server, "rescue")


def unrescue(tx: Tx, caller: Caller, server_id: str) -> None:
    """Boot the server's own system again. Raises WrongState."""
    server = actions.changeable(tx, caller, server_id, "unrescue", {"rescued"}, idle=True)
    volume.discard(tx, server.id, Role.RESCUE)
    values = {"hard_reboots": server.hard_reboots + 1, "power": "on"}
    steps.enter(tx, server.id, Step.UNRESCUE_START, {}, **values, power_orders=server.power_orders + 1)
    actions.touched(tx, caller, server, "unrescue")


def make_disk(tx: Tx, server: Server) -> Outcome:
    """Wait for the rescue disk, and only then cut the power: an image not to be had costs nothing."""
    readiness = volume.ready(tx, server.id)
    if readiness.fault:
        volume.discard(tx, server.id, Role.RESCUE)
        steps.arrive(tx, server.id, None, readiness.fault)
        return Done()
    if not readiness.ready:
        return Again(LOOK_AGAIN_S, "its rescue disk is made")
    values = {"hard_reboots": server.hard_reboots + 1, "power": "on"}
    steps.enter(tx, server.id, Step.RESCUE_START, None, **values, power_orders=server.power_orders + 1)
    return Again(0, "its rescue disk is there")


def start(tx: Tx, server: Server) -> Outcome:
    """Have the guest start with the disks it should have now."""
    guest = server.guest
    if guest is None:
        return Again(LOOK_AGAIN_S, "it has no guest")
    guest_orders.order(tx, server, guest)
    latest = servers.by_id(tx, server.id)
    done = latest is not None and latest.guest is not None and latest.guest.caught_up
    if not done or guest.state != "running":
        return Again(LOOK_AGAIN_S, "its guest starts")
    rescued = server.step == Step.RESCUE_START
    # The password was for the rescue system's first boot.
    steps.arrive(tx, server.id, Step.RESCUED if rescued else None, admin_pass=None)
    return Done()


def rest(_tx: Tx, _server: Server) -> Outcome | None:
    """Rescued: as any server."""
    return None


def _image(tx: Tx, caller: Caller, server: Server, wanted: Rescue) -> Image:
    image_id = wanted.image_id or server.image_id
    if image_id is None:
        raise Invalid("The server was made from no image: name one.", field="rescue_image_ref")
    try:
        return image.get_usable(tx, caller, image_id, disk_gib=None, memory_mib=server.memory_mib)
    except (NotFound, Conflict) as error:
        raise Invalid(error.message, field="rescue_image_ref") from error


def _owner(server: Server) -> Caller:
    return Caller(user_id=server.user_id, project_id=server.project_id)
