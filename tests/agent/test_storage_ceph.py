"""Disks in Ceph when its commands were cut off midway, when it is full, and when it is away."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.test_storage_contract import MIB, Backend
from tests.ceph import POOL, Cluster, wait_until
from volutus.agent.faults import HostFault
from volutus.agent.storage.qemu_img import DISK_FULL
from volutus.agent.storage.rbd_tool import ClusterAway
from volutus.wire import DiskSource

pytestmark = pytest.mark.ceph


@pytest.fixture
def backend(ceph_cluster: Cluster, tmp_path: Path) -> Iterator[Backend]:
    ceph = ceph_cluster.as_seen_by_a_host()
    made = Backend(None, tmp_path, "ceph", ceph, ceph_cluster).again()  # type: ignore[arg-type]
    yield made
    made = made.again()
    for disk_id in made.storage.disks():
        made.storage.destroy(disk_id)
    assert made.tidied() == []


def test_what_cut_off_commands_left_is_mended(
    backend: Backend, ceph_cluster: Cluster, tmp_path: Path
) -> None:
    """Half removed is what has no header; half renamed what two names lead to, of which one is listed."""
    host_id = backend.ceph.host_id if backend.ceph else ""
    kept, removed = f"{host_id}.kept.0.raw", f"{host_id}.gone.0.raw"
    made = f"{host_id}.new.0.raw.0123abcd.part"
    for disk_id in ("kept", "gone"):
        backend.make(disk_id)
    backend.write("kept", at_7=b"whole")
    ceph_cluster.run("rbd", "create", f"{POOL}/{made}", "--size", "8M")
    for name in (removed, made):
        image_id = ceph_cluster.ask("rbd", "info", f"{POOL}/{name}")["id"]
        ceph_cluster.run("rados", "-p", POOL, "rm", f"rbd_header.{image_id}")
    led = str(tmp_path / "id")
    ceph_cluster.run("rados", "-p", POOL, "get", f"rbd_id.{kept}", led)
    ceph_cluster.run("rados", "-p", POOL, "put", f"rbd_id.{host_id}.kept.released.raw", led)
    again = backend.again()
    assert set(again.storage.disks()) == {"kept", "gone"}
    again.storage.destroy("gone")
    again.storage.release("kept")
    again.make("other", source=DiskSource(adopted_id="kept"))
    assert again.read("other")[7 * MIB :].rstrip(b"\0") == b"whole"
    again.storage.destroy("other")
    assert again.tidied() == []


def test_a_full_cluster_takes_no_new_disk_and_lets_go_of_old_ones(
    backend: Backend, ceph_cluster: Cluster
) -> None:
    for disk_id in ("old", "stays"):
        backend.make(disk_id)
        backend.write(disk_id, at_0=bytes([7]) * MIB)
    ratios = ceph_cluster.ask("ceph", "osd", "dump")
    names = ("nearfull", "backfillfull", "full")
    try:
        for name in names:
            ceph_cluster.run("ceph", "osd", f"set-{name}-ratio", "0.0001")
        wait_until("full", lambda: ceph_cluster.ask("ceph", "health")["checks"].get("OSD_FULL"))
        with pytest.raises(HostFault, match=DISK_FULL):
            backend.make("new")
        backend.storage.destroy("old")
    finally:
        for name in reversed(names):
            ceph_cluster.run("ceph", "osd", f"set-{name}-ratio", str(ratios[f"{name}_ratio"]))
    wait_until("room", lambda: "OSD_FULL" not in ceph_cluster.ask("ceph", "health")["checks"])
    backend.make("new")
    assert set(backend.again().storage.disks()) == {"new", "stays"}
    assert backend.read("stays")[:MIB] == bytes([7]) * MIB


def test_a_cluster_that_is_away_fails_what_needs_it_and_nothing_else(
    backend: Backend, ceph_cluster: Cluster
) -> None:
    backend.make("there")
    ceph_cluster.stop_daemon("mon.a", signal.SIGSTOP)
    try:
        away = backend.again()
        assert set(away.storage.disks()) == {"there"}
        with pytest.raises(ClusterAway):
            away.make("new")
        away.make("beside", pool=backend.other)
        away.storage.tidy(frozenset())
    finally:
        ceph_cluster.stop_daemon("mon.a", signal.SIGCONT)
    ceph_cluster.await_health()
    away.make("new")
    assert set(away.again().storage.disks()) == {"there", "new", "beside"}
