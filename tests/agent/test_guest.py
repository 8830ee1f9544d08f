"""A guest with a real operating system on a real host: what needs the guest's help."""

import hashlib
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest
from msgspec.structs import replace

from tests.agent.control_plane import ControlPlane, serving
from tests.agent.machine import Machine
from tests.agent.test_machine import MIB, current, make_nic, qemu_pid, settled
from volutus.imagebuild import BuiltImage, read_built
from volutus.setup import first_image
from volutus.setup.progress import Progress
from volutus.wire import DiskSource, DiskSpec, Gone, GuestDisk, GuestSpec, GuestState, Power

pytestmark = pytest.mark.machine

BOOT_S = 240
EPHEMERAL = DiskSpec(id=str(uuid.uuid4()), size_bytes=3 << 30, filesystem="ext4", label="ephemeral0")
SWAP = DiskSpec(id=str(uuid.uuid4()), size_bytes=64 * MIB, filesystem="swap")
# What the guest makes of its disks besides the root, told where it can be read.
USER_DATA = """#!/bin/sh
{
    mount -o ro /dev/vdb /mnt && echo "ephemeral $(df -k /mnt | tail -1 | cut -c1-8) $(blkid /dev/vdb)"
    swapon /dev/vdc && echo "swap $(grep SwapTotal /proc/meminfo | tr -s ' ')"
    echo "sectors $(cat /sys/block/vdb/size) $(cat /sys/block/vdc/size)"
    umount /mnt; swapoff /dev/vdc
    echo user-data-ran-$(hostname)
} > /dev/console
"""


@pytest.fixture(scope="module")
def image() -> BuiltImage:
    """As every cloud's first: built once for this machine."""
    kept = first_image.keep(Progress(quiet=True))
    assert kept is not None
    return read_built(kept / f"{first_image.NAME}.manifest.json")


@pytest.fixture(scope="module")
def plane(host: Machine, image: BuiltImage) -> Iterator[ControlPlane]:
    assert image.kernel is not None and image.ramdisk is not None
    images = {"disk": image.disk, "kernel": image.kernel, "ramdisk": image.ramdisk}
    with serving(host, images) as served:
        yield served


def source(path: Path, name: str, image_format: str) -> DiskSource:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return DiskSource(image_id=name, image_format=image_format, sha256=digest)


@pytest.fixture(scope="module")
def booted(plane: ControlPlane, image: BuiltImage) -> GuestSpec:
    assert image.kernel is not None and image.ramdisk is not None
    disk_id, guest_id = str(uuid.uuid4()), str(uuid.uuid4())
    disk = source(image.disk, "disk", image.disk_format)
    plane.order(DiskSpec(id=disk_id, size_bytes=image.min_disk_gib << 30, source=disk))
    for local in (EPHEMERAL, SWAP):
        plane.order(local)
    disks = [
        GuestDisk(disk_id=key, target=target, serial=key[:20])
        for key, target in ((disk_id, "vda"), (EPHEMERAL.id, "vdb"), (SWAP.id, "vdc"))
    ]
    spec = GuestSpec(
        id=guest_id,
        name="first",
        power=Power.ON,
        cores=1,
        mhz=100_000,
        memory_mib=max(192, image.min_ram_mib),
        disks=disks,
        nics=[make_nic()],
        metadata={
            "openstack/latest/meta_data.json": f'{{"uuid": "{guest_id}", "hostname": "first.local"}}',
            "openstack/latest/user_data": USER_DATA,
        },
        kernel_image=source(image.kernel, "kernel", "aki"),
        ramdisk_image=source(image.ramdisk, "ramdisk", "ari"),
        kernel_command_line=image.kernel_command_line,
    )
    plane.order(spec)
    wait_for_login(plane, spec, 1)
    return spec


def wait_for_login(plane: ControlPlane, spec: GuestSpec, count: int) -> None:
    def logins() -> bool:
        return plane.consoles.get(spec.id, b"").count(b"login:") >= count

    plane.wait_for(f"login number {count}", logins, BOOT_S)


def logins(plane: ControlPlane, spec: GuestSpec) -> int:
    return plane.consoles.get(spec.id, b"").count(b"login:")


def test_it_reads_the_config_drive_and_finds_its_disks(plane: ControlPlane, booted: GuestSpec) -> None:
    plane.wait_for("user data", lambda: b"user-data-ran-first" in plane.consoles[booted.id], 60)
    said = plane.consoles[booted.id].decode(errors="replace").replace("\r", "")
    assert re.search(r"^ephemeral .*LABEL=\"ephemeral0\".*TYPE=\"ext4\"", said, re.M), said
    assert f"swap SwapTotal: {64 * 1024 - 4} kB" in said
    assert f"sectors {3 << 21} {64 << 11}" in said


def test_a_disk_and_a_card_are_plugged_and_let_go(
    host: Machine, plane: ControlPlane, booted: GuestSpec
) -> None:
    before = current(plane, booted)
    disk_id = str(uuid.uuid4())
    plane.order(DiskSpec(id=disk_id, size_bytes=8 * MIB))
    card = make_nic(12)
    disk = GuestDisk(disk_id=disk_id, target="vdd", serial=disk_id[:20])
    plane.order(replace(before, disks=[*before.disks, disk], nics=[*before.nics, card]))
    seen = settled(plane, booted, GuestState.RUNNING)
    assert disk_id in seen.disks and card.port_id in seen.nics
    time.sleep(3)  # The guest must have seen them to let them go.
    plane.order(before)
    seen = settled(plane, booted, GuestState.RUNNING, 60)
    assert disk_id not in seen.disks and card.port_id not in seen.nics
    opened = [path.resolve().name for path in Path(f"/proc/{qemu_pid(host, booted)}/fd").iterdir()]
    assert f"{booted.disks[0].disk_id}.qcow2" in opened and f"{disk_id}.qcow2" not in opened
    plane.order(None, tombstone=("disk", disk_id))
    plane.wait_for("gone", lambda: isinstance(plane.items[("disk", disk_id)], Gone))


def test_it_sends_and_receives_what_is_counted(plane: ControlPlane, booted: GuestSpec) -> None:
    def sent() -> bool:
        seen = plane.guest(booted.id)
        assert seen is not None
        return any(c.sent_packets > 0 and c.sent_bytes > 0 for c in seen.counters) and seen.cpu_time_ns > 0

    plane.wait_for("counters", sent, 60)


def test_a_soft_reboot_happens_inside(host: Machine, plane: ControlPlane, booted: GuestSpec) -> None:
    before, count, pid = current(plane, booted), logins(plane, booted), qemu_pid(host, booted)
    plane.order(replace(before, soft_reboots=before.soft_reboots + 1))
    settled(plane, booted, GuestState.RUNNING, BOOT_S)
    wait_for_login(plane, booted, count + 1)
    assert qemu_pid(host, booted) == pid


def test_power_off_is_obeyed_long_before_the_timeout(plane: ControlPlane, booted: GuestSpec) -> None:
    before, count = current(plane, booted), logins(plane, booted)
    time.sleep(3)  # The daemon that hears the button starts after the login prompt.
    started = time.monotonic()
    plane.order(replace(before, power=Power.OFF, shutdown_timeout_s=120))
    settled(plane, booted, GuestState.STOPPED, 130)
    assert time.monotonic() - started < 60
    plane.order(before)
    wait_for_login(plane, booted, count + 1)


def test_a_guest_that_powers_itself_off_stays_off(
    host: Machine, plane: ControlPlane, booted: GuestSpec
) -> None:
    settled(plane, booted, GuestState.RUNNING)
    time.sleep(3)
    connection = libvirt.open(host.daemon.uri)
    connection.lookupByUUIDString(booted.id).shutdown()
    connection.close()
    settled(plane, booted, GuestState.STOPPED, 60)
    time.sleep(5)
    settled(plane, booted, GuestState.STOPPED)
    plane.order(current(plane, booted))
    settled(plane, booted, GuestState.RUNNING)


def test_down_and_up_again(host: Machine, plane: ControlPlane, booted: GuestSpec) -> None:
    settled(plane, booted, GuestState.RUNNING)
    host.stop("agent")
    host.run(*host.agent_call("stop_guests"))
    assert host.qemu_pids() == []
    plane.items.clear()
    host.start_agent()
    settled(plane, booted, GuestState.RUNNING)
