"""A cloud with a storage class in Ceph, used as a tenant uses it: servers that boot from it, volumes that are
written, snapshotted, cloned, grown, exported and encrypted, while an OSD is killed."""

import hashlib
import json
import threading
import time

import pytest

from tests.ceph import POOL, Cluster, cluster
from tests.live.machine import Machine

pytestmark = pytest.mark.ceph

MIB = 1 << 20
# How long the guest writes, in steps that are each flushed, while an OSD is killed and started again.
WRITES = 60


def test_volumes_live_in_ceph(machine: Machine) -> None:
    with cluster(f"/proc/{machine.holder.pid}/ns/net") as ceph:
        _up(machine, ceph)
        address = _server_on_a_volume(machine)
        _attach(machine, address, "data", "vdb", "--type ceph")
        written = machine.login(address, "head -c 4194304 /dev/urandom | sudo tee /dev/vdb | md5sum; sync")
        _snapshot(machine, "before")
        machine.login(address, "sudo dd if=/dev/zero of=/dev/vdb bs=1M count=2 conv=fsync")
        _copies_are_of_their_moment(machine, ceph, written.split()[0])
        _grown_while_attached(machine, address)
        _an_osd_may_die(machine, address, ceph)
        _nothing_is_in_clear(machine, address, ceph)
        _all_is_gone(machine, ceph)


def _up(machine: Machine, ceph: Cluster) -> None:
    machine.state_dir.mkdir()
    settings = {"rbd_pools": f"ceph={POOL}", "ceph_conf": str(ceph.conf), "ceph_keyring": str(ceph.keyring)}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (machine.state_dir / "volutus.toml").write_text("\n".join(lines))
    machine.volutus("up", "--detach")
    machine.be_user()
    admin = "OS_CLOUD=volutus-admin openstack volume type create --property volume_backend_name=ceph"
    machine.shell(f"{admin} ceph")
    machine.shell(f"{admin} --encryption-provider luks --encryption-control-location front-end secret")
    assert "key" not in (machine.state_dir / "agent" / "ceph" / "ceph.conf").read_text()


def _server_on_a_volume(machine: Machine) -> str:
    machine.shell("openstack volume create --type ceph --image micro --size 1 --bootable system")
    machine.becomes("openstack volume show system -f value -c status", "available")
    machine.shell("openstack keypair create me > me.pem && chmod 600 me.pem")
    server = "openstack server create --volume system --flavor c1 --network private --key-name me"
    machine.shell(f"{server} --wait first", timeout_s=600)
    address = machine.shell("openstack floating ip create public -f value -c floating_ip_address").strip()
    machine.shell(f"openstack server add floating ip first {address}")
    machine.login(address, "true")
    return address


def _attach(machine: Machine, address: str, name: str, device: str, words: str) -> None:
    machine.shell(f"openstack volume create --size 1 {words} {name}")
    machine.becomes(f"openstack volume show {name} -f value -c status", "available")
    machine.shell(f"openstack server add volume first {name}")
    wait = f"for i in $(seq 60); do test -b /dev/{device} && exit 0; sleep 1; done; exit 1"
    machine.login(address, wait)


def _snapshot(machine: Machine, name: str) -> None:
    machine.shell(f"openstack volume snapshot create --volume data --force {name}")
    machine.becomes(f"openstack volume snapshot show {name} -f value -c status", "available")


def _copies_are_of_their_moment(machine: Machine, ceph: Cluster, written: str) -> None:
    """A volume made from the snapshot, and its export whole and in part, have what was there then."""
    whole = _exported(machine, "before")
    assert len(whole) == 1 << 30
    assert hashlib.md5(whole[: 4 * MIB], usedforsecurity=False).hexdigest() == written
    assert _exported(machine, "before", f"-r {MIB}-{2 * MIB - 1}") == whole[MIB : 2 * MIB]
    machine.shell("openstack volume create --type ceph --size 2 --snapshot before clone")
    machine.becomes("openstack volume show clone -f value -c status", "available")
    assert ceph.content(_id(machine, "clone"))[: 1 << 30] == whole


def _id(machine: Machine, volume: str) -> str:
    return machine.shell(f"openstack volume show {volume} -f value -c id").strip()


def _exported(machine: Machine, snapshot: str, words: str = "") -> bytes:
    """The snapshot as RAW."""
    token = machine.shell("openstack token issue -f value -c id").strip()
    project = machine.shell("openstack token issue -f value -c project_id").strip()
    snapshot_id = machine.shell(f"openstack volume snapshot show {snapshot} -f value -c id").strip()
    url = f"http://127.0.0.1:8780/volume/v3/{project}/snapshots/{snapshot_id}/raw"
    machine.shell(f"curl -sf {words} -H 'X-Auth-Token: {token}' -o raw {url}")
    found = (machine.directory / "raw").read_bytes()
    (machine.directory / "raw").unlink()
    return found


def _grown_while_attached(machine: Machine, address: str) -> None:
    machine.shell("openstack --os-volume-api-version 3.71 volume set --size 2 data")
    machine.becomes("openstack volume show data -f value -c size", "2")
    grown = "test $(sudo blockdev --getsize64 /dev/vdb) = 2147483648"
    machine.login(address, f"for i in $(seq 60); do {grown} && exit 0; sleep 1; done; exit 1")


def _an_osd_may_die(machine: Machine, address: str, ceph: Cluster) -> None:
    """What the guest has flushed is there, whichever copy is read, and it has not noticed."""
    steps = f"for i in $(seq {WRITES}); do head -c 65536 /dev/urandom > one; cat one >> all;"
    steps += " dd if=one of=/dev/vdb bs=65536 seek=$i conv=fsync 2>/dev/null || exit 1; sleep 0.3; done"
    said: list[str] = []
    writer = threading.Thread(
        target=lambda: said.append(machine.login(address, f"sudo sh -c 'cd /tmp; {steps}; md5sum < all'"))
    )
    writer.start()
    time.sleep(8)
    assert writer.is_alive()
    ceph.kill_daemon("osd.1")
    time.sleep(5)
    ceph.start_daemon("osd.1")
    writer.join()
    ceph.await_health()
    # What the surviving one alone had is now on both; the reader may ask either.
    _snapshot(machine, "after")
    found = _exported(machine, "after")[65536 : 65536 * (WRITES + 1)]
    assert said[0].split()[0] == hashlib.md5(found, usedforsecurity=False).hexdigest()
    assert "ACTIVE" in machine.shell("openstack server show first -f value -c status")


def _nothing_is_in_clear(machine: Machine, address: str, ceph: Cluster) -> None:
    _attach(machine, address, "hidden", "vdc", "--type secret")
    machine.login(address, "echo plain words | sudo tee /dev/vdc; sync")
    assert b"plain words" not in ceph.content(_id(machine, "hidden"))
    key = ceph.keyring.read_text().split("key = ")[1].strip()
    processes = machine.shell("ps -eo args")
    assert "qemu-system" in processes and key not in processes
    logs = [path.read_text(errors="replace") for path in machine.state_dir.glob("log/**/*") if path.is_file()]
    assert not [log for log in logs if key in log]


def _all_is_gone(machine: Machine, ceph: Cluster) -> None:
    """In an order in which each thing goes before what was made from it."""
    for name in ("data", "hidden"):
        machine.shell(f"openstack server remove volume first {name}")
        machine.becomes(f"openstack volume show {name} -f value -c status", "available")
    machine.shell("openstack server delete --wait first")
    machine.shell("openstack volume snapshot delete before after")
    machine.becomes("openstack volume snapshot list -f value", "")
    machine.shell("openstack volume delete system data hidden clone")
    machine.becomes("openstack volume list -f value", "")
    # What servers of an image stand on stays as long as the host has the image.
    left = [name for name in ceph.images() if not name.endswith(".image")]
    assert left == []
