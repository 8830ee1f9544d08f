"""Brings each server a step closer to what its row asks for. Knows nothing of why it was woken.

A step reads the server afresh under its row's lock and does one of these, in this order:

- deletion asked: bury the guest, wait until its host reports it gone, then give everything back;
- an image of it under way: see how far it is;
- on its way to another shape (resized, rescued, shelved): the next step of that;
- a rebuild asked: the same with the guest alone, then new disks of its own;
- no place yet: claim capacity, make its disks and bind its ports there;
- placed, and its network is ready: order the guest of the host;
- anything else the order should say by now (power, reboots, disks, cards, metadata): order it anew;
- otherwise settled: its open actions are over.

Each wait has a deadline. Building that passes it ends in ERROR with a cause; the rest waits on and says why.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, insert

from volutus import network, placement, quota, volume
from volutus.compute import (
    backfill,
    console,
    groups,
    guest_answers,
    guest_orders,
    guest_passwords,
    guest_specs,
    hardware,
    history,
    images,
    local_disks,
    rebuilds,
    remote_consoles,
    reports,
    rescues,
    resizes,
    servers,
    shelving,
    steps,
)
from volutus.compute.servers import Guest, Server
from volutus.compute.steps import Step
from volutus.compute.tables import guests
from volutus.db import Database, Tx
from volutus.errors import NoCapacity
from volutus.placement import Claim
from volutus.reconcile import Again, Done, Item, Outcome
from volutus.volume import OwnDisk

# How many servers one worker takes at a time: enough to save round trips, few enough to share the work.
BATCH = 8
SCAN_MAX = 500
# Building includes copying the image to the host, which may take minutes on a slow link.
BUILD_DEADLINE_S = 1800.0
# How soon to look again at what wakes us anyway when it is ready; the wake is the rule, this the guarantee.
LOOK_AGAIN_S = 2.0
# While a host is silent there is nothing to see; its first report wakes all its servers that changed.
SILENT_LOOK_AGAIN_S = 15.0
_NETWORK_IS_MADE = "its network is being made"
# A host may look at a guest just before it starts it, and tell of it just after; a second look is right.
STOPPED_FOR_SURE = timedelta(seconds=3)


class ServerReconciler:
    """The kind of work `server`; its key is the server's id."""

    kind = reports.SERVER
    batch = BATCH

    def __init__(self, database: Database) -> None:
        self._database = database

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """One step for each; a failure of one does not touch the others."""
        return {item.key: self._step(item) for item in items}

    def scan(self, tx: Tx) -> Sequence[str]:
        """Servers that are not settled. Commands that no host answered end here too."""
        guest_answers.expire(tx)
        return servers.unsettled(tx, SCAN_MAX)

    def _step(self, item: Item) -> Outcome:
        with self._database.begin() as tx:
            server = servers.by_id(tx, item.key, lock=True)
            if server is None or server.deleted_at is not None:
                return Done()
            return step(tx, server)


def step(tx: Tx, server: Server) -> Outcome:
    """One step of one server, whose row is locked."""
    if server.delete_asked_at is not None:
        return _delete(tx, server)
    if server.image_task is not None:
        images.follow(tx, server)
    if server.fault_code is not None:
        # Nothing more is done for it until it is deleted or its state is reset.
        return Done()
    if server.rebuilt < server.rebuilds:
        return _rebuild(tx, server)
    if server.step is not None and (outcome := _step_on(tx, server)) is not None:
        return outcome
    if server.guest is None:
        return _place(tx, server)
    if server.guest.assigned_at is None:
        return _build(tx, server, server.guest)
    return _keep(tx, server, server.guest)


def _step_on(tx: Tx, server: Server) -> Outcome | None:
    """Go on with what the server is on its way to; None where that leaves the ordinary to be done."""
    step = steps.step_of(server)
    if step is None:
        return None
    if steps.is_late(tx, server):
        since = f"{server.step_since:%H:%M:%S}" if server.step_since else ""
        return _fail(tx, server, f"The server did not come to an end of {step.value} since {since}.")
    if step not in steps.RESTING:
        history.reached(tx, server.id, step.value)
    return _WAYS[step](tx, server)


def _place(tx: Tx, server: Server) -> Outcome:
    """Claim capacity, and have disks and ports made ready on the host that has it."""
    try:
        with tx.savepoint():
            if server.step == Step.UNSHELVE:
                shelving.restore_disks(tx, server)
            own = volume.own_disks(tx, [server.id])[server.id]
            volume_ids = _volumes(tx, server.id, own)
            host_id = placement.claim(tx, _claim(tx, server, volume_ids, local_disks.among(own).gib))
            host = placement.hosts.get(tx, host_id)
            volume.place(tx, volume_ids, host_id)
            bound = network.bind_ports(tx, server.id, host)
    except NoCapacity as error:
        if backfill.make_room(tx, server, _wanted_claim(tx, server)):
            return Again(LOOK_AGAIN_S, "others make room for it", deadline_s=BUILD_DEADLINE_S)
        if server.step == Step.UNSHELVE:
            steps.arrive(tx, server.id, Step.SHELVED, error.message)
            return Done()
        return _fail(tx, server, error.message, error.detail)
    tx.execute(
        insert(guests),
        {
            "server_id": server.id,
            "host_id": host_id,
            "host_name": host.hostname,
            "zone": host.zone,
            "placed_at": tx.now,
        },
    )
    history.reached(tx, server.id, "network")
    if bound:
        return Again(LOOK_AGAIN_S, _NETWORK_IS_MADE, deadline_s=BUILD_DEADLINE_S)
    # The network was ready before, as for a server that is built anew.
    placed = servers.by_id(tx, server.id)
    return _build(tx, placed, placed.guest) if placed and placed.guest else Again(0, "placed on a host")


def _volumes(tx: Tx, server_id: str, own: Sequence[OwnDisk]) -> list[str]:
    """All disks of a server: its own, and the volumes it was ordered with."""
    tied = volume.attachments_of(tx, [server_id])[server_id]
    return [*(disk.id for disk in own), *(attachment.volume_id for attachment in tied)]


def _wanted_claim(tx: Tx, server: Server) -> Claim:
    """The same claim again, after what was ordered for it was undone."""
    own = volume.own_disks(tx, [server.id])[server.id]
    shelved = server.step_data.get("local") if server.step == Step.UNSHELVE else None
    local = local_disks.recalled(shelved) if shelved else local_disks.among(own)
    return _claim(tx, server, _volumes(tx, server.id, own), local.gib)


def _claim(tx: Tx, server: Server, volume_ids: Sequence[str], local_gib: int) -> Claim:
    """What the server needs, where its volumes and its group allow it."""
    allowed, avoided = groups.constraints(tx, server)
    homes = volume.hosts_of(tx, volume_ids)
    if homes:
        allowed = sorted(homes & set(allowed)) if allowed is not None else sorted(homes)
    if server.host_asked is not None:
        asked = placement.hosts.by_name(tx, server.host_asked).id
        allowed = [asked] if allowed is None or asked in allowed else []
    machine = hardware.of(guest_specs.shape_of(server))
    return Claim(
        consumer_id=server.id,
        project_id=server.project_id,
        user_id=server.user_id,
        mhz=server.mhz,
        cores=server.cores,
        # Pages kept for guests are not in a host's memory: who has them takes no other.
        memory_mib=0 if machine.page_size_kib else server.memory_mib,
        disk_gib=server.root_volume_gib + local_gib,
        only_hosts=allowed,
        avoid_hosts=avoided,
        zone=server.zone,
        resources=hardware.resources(machine, server.memory_mib),
    )


def _build(tx: Tx, server: Server, guest: Guest) -> Outcome:
    """Order the guest as soon as its network is written."""
    readiness = volume.ready(tx, server.id)
    if readiness.fault:
        return _fail(tx, server, readiness.fault)
    if not network.ports_ready(tx, server.id):
        return _waiting(tx, server, guest, _NETWORK_IS_MADE)
    guest_orders.order(tx, server, guest)
    history.reached(tx, server.id, "spawn")
    return _waiting(tx, server, guest, "its host starts it")


def _keep(tx: Tx, server: Server, guest: Guest) -> Outcome:
    """Have the host do what the server's row says by now."""
    if server.launched_at is None and guest.launched_at is not None:
        # The password was for the first boot; it is not kept any longer than that.
        servers.write(tx, server.id, launched_at=guest.launched_at, admin_pass=None)
        server = replace(server, launched_at=guest.launched_at, admin_pass=None)
    if _stopped_itself(server, guest):
        if guest.state_since is not None and tx.now - guest.state_since < STOPPED_FOR_SURE:
            return Again(STOPPED_FOR_SURE.total_seconds(), "it seems to have stopped by itself")
        crashed = guest.state == "crashed"
        servers.write(tx, server.id, power="off")
        history.ended(tx, server.id, "The guest crashed." if crashed else None)
        return Again(0, "the guest stopped by itself")
    fault = volume.ready(tx, server.id).fault if server.launched_at is None else None
    if fault:
        return _fail(tx, server, fault)
    ordered = guest_orders.order(tx, server, guest)
    if guest.state == "failed":
        history.ended(tx, server.id, guest.fault or "The host could not run the server.")
        return Done()
    if (
        not ordered
        and guest.caught_up
        and server.status.task_state in (None, server.image_task)
        and server.first_launched_at is not None
    ):
        history.ended(tx, server.id)
        return Done()
    return _waiting(tx, server, guest, "its host carries out the order")


def _stopped_itself(server: Server, guest: Guest) -> bool:
    """Whether the guest was told to run, did what it was told, and then stopped; and nobody asked since."""
    return (
        guest.state in ("stopped", "crashed")
        and guest.launched_at is not None
        and server.power != "off"
        and guest.assigned_power == server.power
        and guest.assigned_power_orders == server.power_orders
        and guest.caught_up
        and guest.soft_reboots >= server.soft_reboots
        and guest.hard_reboots >= server.hard_reboots
    )


def _delete(tx: Tx, server: Server) -> Outcome:
    """Bury the guest; once its host reported it gone, give everything back."""
    if server.guest is not None and server.guest.gone_at is None:
        return guest_orders.bury(tx, server.guest)
    if server.image_task is not None:
        volume.uploads.dismiss(tx, server.id)
        history.image_ended(tx, server.id, "The server was deleted.")
    shelving.forget(tx, server)
    network.release_ports(tx, server.id)
    volume.release_server(tx, server.id)
    placement.release(tx, server.id)
    quota.release(tx, server.project_id, resizes.charged(server))
    tx.execute(delete(guests).where(guests.c.server_id == server.id))
    console.forget(tx, server.id)
    guest_passwords.drop(tx, server.id)
    remote_consoles.forget(tx, server.id)
    forgotten: dict[str, Any] = {"user_data": None, "files": [], "admin_pass": None, "image_task": None}
    servers.write(tx, server.id, deleted_at=tx.now, **forgotten)
    history.ended(tx, server.id)
    return Done()


def _rebuild(tx: Tx, server: Server) -> Outcome:
    """Remove the guest; once it is gone, replace its own disks and build it anew."""
    if server.guest is not None and server.guest.gone_at is None:
        return guest_orders.bury(tx, server.guest)
    rebuilds.replace_disks(tx, server)
    return Again(0, "its disks are replaced")


def _waiting(tx: Tx, server: Server, guest: Guest, why: str) -> Outcome:
    """Wait for somebody else. What was never running by its deadline fails; a running server waits on, for
    its host may come back."""
    look_again_s = LOOK_AGAIN_S
    if server.first_launched_at is None and tx.now - guest.placed_at > timedelta(seconds=BUILD_DEADLINE_S):
        return _fail(tx, server, f"The server was not built in time: {why} since {guest.placed_at:%H:%M:%S}.")
    if guest.assigned_at is not None and tx.now - guest.assigned_at > placement.hosts.SILENT_AFTER:
        host = placement.hosts.get(tx, guest.host_id)
        if not host.up:
            why = f"{why}, but the host is silent since {host.last_seen_at:%Y-%m-%d %H:%M:%S} UTC"
            look_again_s = SILENT_LOOK_AGAIN_S
    return Again(look_again_s, f"{why} (host {guest.host_name})", deadline_s=BUILD_DEADLINE_S)


def _fail(tx: Tx, server: Server, message: str, detail: str = "") -> Outcome:
    servers.fail(tx, server.id, message, detail)
    history.ended(tx, server.id, message)
    return Done()


_WAYS: Mapping[Step, Callable[[Tx, Server], Outcome | None]] = {
    Step.RESIZE_STOP: resizes.stop,
    Step.RESIZE_START: resizes.start,
    Step.RESIZED: resizes.rest,
    Step.REVERT_STOP: resizes.stop,
    Step.REVERT_START: resizes.start,
    Step.RESCUE_DISK: rescues.make_disk,
    Step.RESCUE_START: rescues.start,
    Step.RESCUED: rescues.rest,
    Step.UNRESCUE_START: rescues.start,
    Step.YIELD: backfill.leave,
    Step.SHELVE_STOP: shelving.stop,
    Step.SHELVE_IMAGE: shelving.follow_image,
    Step.SHELVE_REMOVE: shelving.remove,
    Step.SHELVED: shelving.rest,
    Step.UNSHELVE: shelving.restore,
}
