"""A guest that writes without pause while its disk moves between pools, and what looks after it is killed, or
the guest itself: all that it was told is written is there, and no file too many.

The guest is a boot sector that writes numbered blocks, each number said on its serial port once the block is
written. Its disk is raw, so that there is nothing of it in QEMU's memory alone.
"""

import hashlib
import os
import random
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest
from msgspec.structs import replace

from tests.agent.control_plane import ControlPlane, serving
from tests.agent.machine import Machine, wait_until
from tests.agent.test_machine import MIB, make_disk, make_guest, qemu_pid, settled
from volutus.wire import DiskLimits, DiskSource, DiskSpec, GuestSpec, GuestState, Power

pytestmark = pytest.mark.machine

# Counts in a register; fills a sector with the number; writes it by the BIOS to block 64 + number % 1024 of
# the disk it was booted from; says the number in eight letters from A (0) to P (15), and a line's end.
WRITER = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007cfbfc8816007e6631ed66456689e8bf0080b9800066f3ab6625ff0300006683c04066a3657c"
    "be5d7c8a16007eb80043cd13721b6689ebb9080066c1c30488d8240f0441baf803eee2f0b00aeeebbbf4ebfd1000010000"
    "8000000000000000000000"
)
FIRST, BLOCKS, SECTOR = 64, 1024, 512
SIZE = 96 * MIB
# What the writer leaves alone, and a move has to bring along.
QUIET = 2 * MIB
CONTENT = random.Random(1).randbytes(SIZE - QUIET)


@pytest.fixture(scope="module")
def plane(host: Machine) -> Iterator[ControlPlane]:
    image = host.root / "writing.img"
    image.write_bytes(WRITER.ljust(510, b"\0") + b"\x55\xaa" + bytes(QUIET - 512) + CONTENT)
    with serving(host, {"writing": image}) as served:
        yield served


def ordered(plane: ControlPlane, disk_id: str) -> DiskSpec:
    spec = plane.orders[("disk", disk_id)].spec
    assert isinstance(spec, DiskSpec)
    return spec


def move(plane: ControlPlane, disk_id: str) -> DiskSpec:
    """To the other pool."""
    spec = ordered(plane, disk_id)
    pool = "" if spec.pool else "bulk"
    moved = replace(spec, pool=pool, revision=spec.revision + 1, source=DiskSource(disk_id=disk_id))
    plane.order(moved)
    return moved


def wait_for_move(plane: ControlPlane, disk_id: str, timeout_s: float = 30) -> None:
    order = plane.orders[("disk", disk_id)]

    def there() -> bool:
        seen = plane.items.get(("disk", disk_id))
        return bool(seen and seen.generation == order.generation and seen.ready)

    plane.wait_for(f"the move of {disk_id}", there, timeout_s)


def files(host: Machine, disk_id: str) -> list[Path]:
    return sorted(path for pool in ("disks", "bulk") for path in (host.agent_dir / pool).glob(f"{disk_id}*"))


def said(host: Machine, guest_id: str) -> list[int]:
    """What the guest has said is written, since it last booted."""
    log = (host.agent_dir / "guests" / guest_id / "console.log").read_bytes()
    lines = [line for line in log.split(b"\n")[:-1] if len(line.strip()) == 8]
    numbers = [int("".join("0123456789abcdef"[letter - 65] for letter in line.strip()), 16) for line in lines]
    starts = [place for place, number in enumerate(numbers) if number == 1]
    return numbers[starts[-1] :] if starts else []


def check_written(file: Path, numbers: list[int]) -> None:
    content = file.read_bytes()
    last = numbers[-1]
    for number in range(max(1, last - BLOCKS + 2), last + 1):
        at = (FIRST + number % BLOCKS) * SECTOR
        assert content[at : at + SECTOR] == number.to_bytes(4, "little") * 128, (number, last)
    assert content[QUIET:] == CONTENT


def writing(plane: ControlPlane) -> GuestSpec:
    spec = make_guest(plane, "writing", power=Power.OFF)
    disk_id = spec.disks[0].disk_id
    plane.order(None, tombstone=("disk", disk_id))
    plane.wait_for("gone", lambda: ("disk", disk_id) not in plane.orders)
    fresh = str(uuid.uuid4())
    digest = hashlib.sha256(plane.images["writing"].read_bytes()).hexdigest()
    image = DiskSource(image_id="writing", image_format="raw", sha256=digest)
    plane.order(DiskSpec(id=fresh, size_bytes=SIZE, source=image, format="raw"))
    made = replace(
        spec,
        power=Power.ON,
        nics=[],
        disks=[replace(spec.disks[0], disk_id=fresh, limits=DiskLimits(write_operations=100_000))],
    )
    plane.order(made)
    settled(plane, made, GuestState.RUNNING, 60)
    return made


def test_what_a_guest_wrote_is_there_whatever_is_killed(host: Machine, plane: ControlPlane) -> None:
    spec, dice = writing(plane), random.Random(2)
    disk_id = spec.disks[0].disk_id
    wait_until("the guest writes", lambda: len(said(host, spec.id)) > 100, 60)
    for victim in ("", "agent", "qemu", "agent", "qemu"):
        before = said(host, spec.id)[-1]
        moved = move(plane, disk_id)
        if victim:
            time.sleep(dice.uniform(0.05, 1.2))
        if victim == "agent":
            host.stop("agent", signal.SIGKILL)
            host.start_agent()
        elif victim == "qemu":
            os.kill(qemu_pid(host, spec), signal.SIGKILL)
            settled(plane, spec, GuestState.CRASHED)
        wait_for_move(plane, disk_id)
        (file,) = files(host, disk_id)
        assert file.parent.name == (moved.pool or "disks") and f".{moved.revision}." in file.name
        if victim == "qemu":
            check_written(file, said(host, spec.id))
            plane.order(spec)
            settled(plane, spec, GuestState.RUNNING, 60)
            wait_until("it writes again", lambda: len(said(host, spec.id)) > 100, 60)
        else:
            wait_until("it goes on", lambda before=before: said(host, spec.id)[-1] > before + 100, 30)
            domain = libvirt.open(host.daemon.uri).lookupByUUIDString(spec.id)
            assert domain.blockIoTune("vda")["write_iops_sec"] == 100_000
    plane.order(replace(spec, power=Power.OFF))
    settled(plane, spec, GuestState.STOPPED)
    check_written(files(host, disk_id)[0], said(host, spec.id))


def test_given_up_a_disk_stays_and_moved_it_outlives_a_suspended_guest(
    host: Machine, plane: ControlPlane
) -> None:
    spec = writing(plane)
    data = replace(make_disk(plane), target="vdb")
    changed = replace(spec, disks=[*spec.disks, data])
    plane.order(changed)
    settled(plane, changed, GuestState.RUNNING, 60)
    before = ordered(plane, data.disk_id)
    plane.order(replace(before, pool="nowhere", revision=1, source=DiskSource(disk_id=data.disk_id)))

    def fault() -> str:
        return plane.items[("disk", data.disk_id)].fault or ""

    plane.wait_for("the fault", lambda: "no storage class" in fault())
    plane.order(before)
    wait_for_move(plane, data.disk_id)
    assert [path.name for path in files(host, data.disk_id)] == [f"{data.disk_id}.qcow2"]
    for disk in changed.disks:
        move(plane, disk.disk_id)
    for disk in changed.disks:
        wait_for_move(plane, disk.disk_id)
        assert len(files(host, disk.disk_id)) == 1
    plane.order(replace(changed, power=Power.SUSPENDED))
    settled(plane, changed, GuestState.SUSPENDED)
    before_it = said(host, spec.id)[-1]
    plane.order(changed)
    settled(plane, changed, GuestState.RUNNING)
    wait_until("it goes on", lambda: said(host, spec.id)[-1] > before_it + 100, 30)
    plane.order(replace(changed, power=Power.OFF))
    settled(plane, changed, GuestState.STOPPED)
    check_written(files(host, spec.disks[0].disk_id)[0], said(host, spec.id))
