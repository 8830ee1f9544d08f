"""Every meter is told by the domain whose thing it counts: by its own verbs, from the order to the end."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.api.loadbalancer.foreign import balancer
from tests.api.network.objects import vpn_gateway
from tests.compute.plane import Plane, add_image, add_network
from tests.conftest import make_caller
from volutus import compute, image, volume
from volutus.billing import meters
from volutus.compute.server_disks import BlockDevice
from volutus.db import Page
from volutus.errors import Forbidden
from volutus.identity.caller import CLOUD
from volutus.reconcile import Worker
from volutus.volume import VolumeOrder
from volutus.volume.backup_reconciler import BackupReconciler
from volutus.volume.backups import BackupOrder
from volutus.volume.snapshots import SnapshotOrder
from volutus.wire import BackupObserved, GuestState, Observed

OPEN = text(
    "SELECT meter, sum(amount) AS amount FROM usage_ranges WHERE upper_inf(during) AND project_id = :project"
    " GROUP BY 1 ORDER BY 1 LIMIT 100"
)
LICENCES = {"volutus_licence_core": "SQL", "volutus_licence_instance": "windows"}
# What costs nothing unless an operator says otherwise, and holds no host's resources.
LEFT = {"router", "vlan"}


def in_use(database, caller):
    with database.begin() as tx:
        return {row.meter: row.amount for row in tx.rows(OPEN, {"project": caller.own_project()})}


@pytest.fixture
def plane(database, clock, caller):
    with database.begin() as tx:
        compute.bootstrap(tx)
        add_image(tx)
        image.change(tx, CLOUD, "micro", lambda fields: replace(fields, properties=LICENCES))
        add_network(tx, caller)
    made = Plane(database, clock, caller)
    made.add_host("host-1")
    return made


def keep_backup(plane, backup_id, stored_bytes):
    """As the host that makes it says."""
    worker = Worker(plane.database, [BackupReconciler(plane.database)])
    worker.scan()
    worker.drain()
    done = BackupObserved(id=backup_id, generation=1, ready=True, stored_bytes=stored_bytes)
    (host,) = plane.hosts
    host.look()
    with plane.database.begin() as tx:
        compute.report(tx, host.host_id, Observed(seen=host.seen, items=[done]))


def test_all_that_is_paid_for_is_counted_by_its_owner(plane, database, caller):
    server = plane.create()
    plane.create("filler", hints={"backfill": "true"})
    with database.begin() as tx:
        disk = volume.volumes.create(tx, caller, VolumeOrder(size_gib=2, name="v"))
    plane.settle()
    with database.begin() as tx:
        volume.snapshots.create(tx, caller, SnapshotOrder(disk.id))
        backup = volume.backups.create(tx, caller, BackupOrder(disk.id, name="b"))
        balancer(tx, None, caller)
        vpn_gateway(tx, None, caller)
    plane.settle()
    keep_backup(plane, backup.id, 3 * 2**28)
    found = in_use(database, caller)
    amounts = {meter: found.pop(meter) for meter in ("cpu_mhz", "memory_mib", "storage_gib", "backup_gib")}
    sizes = (server.mhz, server.memory_mib, 2 * server.root_volume_gib + 2, Decimal("0.75"))
    assert tuple(amounts.values()) == sizes
    both = {"licence_core:sql": 2 * server.cores, "licence_instance:windows": 2}
    filler = {"cpu_mhz:backfill": server.mhz, "memory_mib:backfill": server.memory_mib}
    by_piece = {"address": 2, "load_balancer": 1, "router": 1, "vpn": 1}
    assert found.pop("vlan") >= 2
    assert found == {**both, **filler, **by_piece, "snapshot_gib": 0}
    for meter in {*found, *amounts}:
        meters.meter_of(meter)
    for _ in range(4):
        with database.begin() as tx:
            compute.projects.remove(tx, [caller.own_project()])
        plane.settle()
    assert set(in_use(database, caller)) <= LEFT | {"backup_gib"}


def test_a_licence_stays_with_every_copy(plane, database):
    """Whoever owns a copy cannot take out what it is paid for by."""
    member = make_caller()
    with database.begin() as tx:
        fields = image.ImageFields(name="i", disk_format="raw", container_format="bare", properties=LICENCES)
        made = image.create(tx, member, fields)
        with pytest.raises(Forbidden), tx.savepoint():
            image.change(tx, member, made.id, lambda now: replace(now, properties={}))


def test_a_volume_made_of_an_image_is_paid_for_like_it(plane, database, caller):
    with database.begin() as tx:
        disk = volume.volumes.create(tx, caller, VolumeOrder(size_gib=1, name="root", image_id="micro"))
    plane.settle()
    boot = BlockDevice("volume", "volume", disk.id, boot_index=0)
    plane.create("booted", image_id=None, block_devices=[boot])
    found = in_use(database, caller)
    assert {meter for meter in found if "licence" in meter} == {
        "licence_core:sql",
        "licence_instance:windows",
    }


def test_what_fills_in_yields_with_notice(plane, database, clock):
    (host,) = plane.hosts
    filler = plane.create("filler", hints={"backfill": "True"}, flavor_id="1000mhz-1c-12000m")
    wanted = plane.order("wanted", flavor_id="1000mhz-1c-8000m")
    also = plane.order("also", hints={"backfill": "true"}, flavor_id="1000mhz-1c-8000m")
    plane.settle()
    assert plane.status(also.id) == "ERROR"
    status = plane.get(filler.id).status
    assert (status.name, status.task_state) == ("ACTIVE", "shelving")
    assert host.guests[filler.id].state is GuestState.RUNNING
    assert plane.status(wanted.id) == "BUILD"
    with database.begin() as tx:
        told = [one.action for one in compute.history.list_(tx, plane.caller, filler.id, Page())]
    assert "yield" in told
    for _ in range(8):
        clock.advance(12)
        plane.settle()
    assert plane.status(filler.id) == "SHELVED_OFFLOADED"
    assert plane.status(wanted.id) == "ACTIVE"
    assert "cpu_mhz:backfill" not in in_use(database, plane.caller)
    plane.act(compute.shelving.unshelve, filler.id)
    plane.settle()
    assert plane.status(filler.id) == "SHELVED_OFFLOADED"
