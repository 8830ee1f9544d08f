"""Shelving: the server keeps its name, addresses and volumes and gives back its place on a host.

Its own root disk becomes an image, from which it is made again wherever there is room; a server that boots
from a volume needs none. Ephemeral disks and swap go with the place, and come back empty. While shelved
it uses no MHz and no memory, and is not charged for them.
"""

from typing import Any

from sqlalchemy import delete

from volutus import image, placement, volume
from volutus.compute import actions, console, guest_orders, images, local_disks, servers, steps
from volutus.compute.faults import WrongState
from volutus.compute.servers import Server
from volutus.compute.steps import Step
from volutus.compute.tables import guests
from volutus.db import Tx
from volutus.errors import NotFound, VolutusError
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.reconcile import Again, Done, Outcome
from volutus.volume import Role, RootDisk

_STATES = frozenset({"active", "stopped", "paused", "suspended"})
LOOK_AGAIN_S = 2.0


def shelve(tx: Tx, caller: Caller, server_id: str) -> None:
    """Order it. Raises WrongState."""
    server = actions.changeable(tx, caller, server_id, "shelve", _STATES, idle=True)
    steps.enter(tx, server.id, Step.SHELVE_STOP, {})
    actions.touched(tx, caller, server, "shelve")


def offload(tx: Tx, caller: Caller, server_id: str) -> None:
    """A shelved server gives back its place by itself; asking for it says that it has none any more."""
    server = servers.get(tx, caller, server_id)
    raise WrongState(
        f"Cannot 'shelveOffload' instance {server_id} while it is in vm_state {server.status.vm_state}"
    )


def unshelve(
    tx: Tx, caller: Caller, server_id: str, zone: str | None = None, host: str | None = None
) -> None:
    """Have it placed again and started; `zone` and `host` say where. Raises WrongState, NotFound."""
    server = actions.changeable(tx, caller, server_id, "unshelve", {"shelved_offloaded"}, idle=True)
    values: dict[str, object] = {"zone": zone} if zone is not None else {}
    if host is not None:
        values["host_asked"] = placement.hosts.by_name(tx, host).hostname
    orders = server.power_orders + 1
    steps.enter(tx, server.id, Step.UNSHELVE, server.step_data, power="on", power_orders=orders, **values)
    actions.touched(tx, caller, server, "unshelve")


def stop(tx: Tx, server: Server) -> Outcome:
    """Wait until the guest is off, and have an image made of its root disk."""
    guest = server.guest
    if guest is None:
        steps.enter(tx, server.id, Step.SHELVE_REMOVE)
        return Again(0, "it has no guest")
    guest_orders.order(tx, server, guest)
    latest = servers.by_id(tx, server.id)
    done = latest is not None and latest.guest is not None and latest.guest.caught_up
    if guest.state in ("running", "paused", "suspended") or not done:
        return Again(LOOK_AGAIN_S, "its guest stops")
    if not server.root_volume_gib:
        steps.enter(tx, server.id, Step.SHELVE_REMOVE)
        return Again(0, "its guest is off")
    try:
        with tx.savepoint():
            made = images.order_copy(tx, _owner(server), server, f"{server.name}-shelved", {})
    except VolutusError as error:
        return _give_up(tx, server, error.message)
    steps.enter(tx, server.id, Step.SHELVE_IMAGE, {"image_id": made.id})
    return Again(LOOK_AGAIN_S, "an image of it is made")


def follow_image(tx: Tx, server: Server) -> Outcome:
    """Go on once the image is there; without it the server is what it was."""
    if server.image_task is not None:
        return Again(LOOK_AGAIN_S, "an image of it is made")
    image_id = server.step_data["image_id"]
    try:
        status = image.status_of(tx, image_id)
    except NotFound:
        status = "deleted"
    if status != "active":
        return _give_up(tx, server, "No image of the server could be made, so it was not shelved.")
    steps.enter(tx, server.id, Step.SHELVE_REMOVE)
    return Again(0, "the image of it is there")


def remove(tx: Tx, server: Server) -> Outcome:
    """Remove the guest, and what is in the image now; give back the place."""
    if server.guest is not None and server.guest.gone_at is None:
        return guest_orders.bury(tx, server.guest)
    local = local_disks.present(tx, server.id)
    if server.step_data.get("image_id"):
        volume.discard(tx, server.id, Role.ROOT)
    local_disks.discard(tx, server.id)
    placement.release(tx, server.id)
    tx.execute(delete(guests).where(guests.c.server_id == server.id))
    console.forget(tx, server.id)
    # What it is launched with is what it was launched with; the guest's own row is gone.
    launched_at = server.first_launched_at
    kept: dict[str, Any] = {"step_data": {**server.step_data, "local": local_disks.noted(local)}}
    steps.arrive(tx, server.id, Step.SHELVED, None, power="on", launched_at=launched_at, **kept)
    return Done()


def rest(_tx: Tx, _server: Server) -> Outcome:
    """Shelved: there is nothing to do."""
    return Done()


def restore_disks(tx: Tx, server: Server) -> None:
    """Order a root disk made from the image, and empty ones beside it, in the transaction that finds a place
    for them."""
    image_id, local = server.step_data.get("image_id"), server.step_data.get("local")
    if volume.own_disks(tx, [server.id])[server.id]:
        return
    if image_id:
        found = image.get(tx, CLOUD, image_id)
        volume.order_root(tx, _owner(server), RootDisk(server.id, found, server.root_volume_gib))
    if local:
        local_disks.order(tx, _owner(server), server.id, local_disks.recalled(local))


def restore(tx: Tx, server: Server) -> Outcome | None:
    """Let it be placed and built as any server; then the image has done its work."""
    guest = server.guest
    if guest is None or guest.state != "running" or not guest.caught_up:
        return None
    forget(tx, server)
    steps.arrive(tx, server.id, None)
    return Done()


def forget(tx: Tx, server: Server) -> None:
    """Delete the image that a shelved server is kept in."""
    image_id = server.step_data.get("image_id")
    if image_id:
        try:
            image.delete(tx, _owner(server), image_id)
        except VolutusError:
            # Its tenant deleted or protected it: theirs to keep.
            return


def _give_up(tx: Tx, server: Server, message: str) -> Outcome:
    steps.arrive(tx, server.id, None, message)
    return Again(0, "it was not shelved")


def _owner(server: Server) -> Caller:
    return Caller(user_id=server.user_id, project_id=server.project_id, roles=frozenset({"member", "reader"}))
