"""The agent on a real host: QEMU, libvirt, Open vSwitch and a control plane of one file.

Most guests here run a boot sector and nothing else: it either halts or spins.
"""

import hashlib
import os
import random
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.agent.control_plane import ControlPlane, serving
from tests.agent.machine import Machine, wait_until
from volutus.wire import (
    DiskSource,
    DiskSpec,
    Gone,
    GuestDisk,
    GuestNic,
    GuestObserved,
    GuestSpec,
    GuestState,
    MetadataPort,
    Power,
)
from volutus.wire.addresses import link_local

pytestmark = pytest.mark.machine

MIB = 1 << 20
PLENTY_MHZ = 100_000
HALTING = b"\xfb\xf4\xeb\xfc"  # sti; hlt; jmp back
SPINNING = b"\xeb\xfe"  # jmp to itself


@pytest.fixture(scope="module")
def plane(host: Machine) -> Iterator[ControlPlane]:
    images = {}
    for name, code in (("halting", HALTING), ("spinning", SPINNING)):
        images[name] = host.root / f"{name}.img"
        images[name].write_bytes(code.ljust(510, b"\0") + b"\x55\xaa" + bytes(MIB - 512))
    with serving(host, images) as served:
        yield served


def source(plane: ControlPlane, image: str) -> DiskSource:
    digest = hashlib.sha256(plane.images[image].read_bytes()).hexdigest()
    return DiskSource(image_id=image, image_format="raw", sha256=digest)


def make_disk(plane: ControlPlane, image: str | None = None) -> GuestDisk:
    disk_id = str(uuid.uuid4())
    plane.order(
        DiskSpec(id=disk_id, size_bytes=8 * MIB, source=source(plane, image) if image else None)
    )  # fmt: skip
    return GuestDisk(disk_id=disk_id, target="vda", serial=disk_id[:20])


def make_nic(number: int = 11) -> GuestNic:
    port = MetadataPort(port_id=str(uuid.uuid4()), mac="fa:16:3e:00:00:02", addresses=["10.0.0.2/24"])
    return GuestNic(
        port_id=str(uuid.uuid4()),
        network_id=str(uuid.uuid4()),
        mac=f"fa:16:3e:00:00:{number:02x}",
        addresses=[f"10.0.0.{number}"],
        metadata=port,
    )


def make_guest(plane: ControlPlane, image: str = "halting", **changes: object) -> GuestSpec:
    guest_id = str(uuid.uuid4())
    spec = GuestSpec(
        id=guest_id,
        name="first",
        power=Power.ON,
        cores=1,
        mhz=PLENTY_MHZ,
        memory_mib=32,
        disks=[make_disk(plane, image)],
        nics=[make_nic()],
        shutdown_timeout_s=1,
        metadata={"openstack/latest/meta_data.json": f'{{"uuid": "{guest_id}", "hostname": "first.local"}}'},
    )
    spec = replace(spec, **changes)
    plane.order(spec)
    return spec


def settled(plane: ControlPlane, spec: GuestSpec, state: GuestState, timeout_s: float = 30) -> GuestObserved:
    """Wait until the newest order for the guest is applied and it is in that state."""

    def found() -> GuestObserved | None:
        seen = plane.guest(spec.id)
        order = plane.orders[("guest", spec.id)]
        applied = seen is not None and seen.generation == order.generation and seen.state is state
        return seen if applied else None

    return plane.wait_for(f"{state} of {spec.id}", found, timeout_s)


def bury(plane: ControlPlane, *specs: GuestSpec) -> None:
    keys = [("guest", spec.id) for spec in specs] + [("disk", d.disk_id) for s in specs for d in s.disks]
    for key in keys:
        plane.order(None, tombstone=key)
    for key in keys:
        plane.wait_for(f"{key} gone", lambda key=key: isinstance(plane.items.get(key), Gone))


def qemu_pid(host: Machine, spec: GuestSpec) -> int:
    return int((host.root / "run" / "libvirt" / "qemu" / f"{spec.id}.pid").read_text())


@pytest.fixture(scope="module")
def shared(plane: ControlPlane) -> GuestSpec:
    """A guest for tests that leave it as it was."""
    spec = make_guest(plane)
    settled(plane, spec, GuestState.RUNNING)
    return spec


def current(plane: ControlPlane, spec: GuestSpec) -> GuestSpec:
    ordered = plane.orders[("guest", spec.id)].spec
    assert isinstance(ordered, GuestSpec)
    return ordered


def test_a_guest_runs_without_privileges_in_the_sandbox(
    host: Machine, plane: ControlPlane, shared: GuestSpec
) -> None:
    seen = settled(plane, shared, GuestState.RUNNING)
    assert seen.disks == [shared.disks[0].disk_id] and seen.nics == [shared.nics[0].port_id]
    assert plane.facts is not None and plane.facts.chassis == "test-chassis"
    assert plane.facts.mhz_per_core > 500
    status = Path(f"/proc/{qemu_pid(host, shared)}/status").read_text()
    values = dict(line.split(":\t", 1) for line in status.splitlines())
    assert values["Uid"].split()[0] != "0"
    assert values["Seccomp"] == "2"
    assert values["CapEff"] == "0000000000000000"


def test_the_tap_is_a_port_of_the_switch(host: Machine, plane: ControlPlane, shared: GuestSpec) -> None:
    port_id = shared.nics[0].port_id
    external = host.vsctl("get", "interface", f"tap{port_id[:11]}", "external_ids")
    assert f'iface-id="{port_id}"' in external
    assert seen_sockets(plane, shared)


def seen_sockets(plane: ControlPlane, spec: GuestSpec) -> bool:
    seen = plane.guest(spec.id)
    assert seen is not None and seen.vnc_socket is not None and seen.serial_socket is not None
    return Path(seen.vnc_socket).is_socket() and Path(seen.serial_socket).is_socket()


def test_metadata_is_answered_by_network_and_address(
    host: Machine, plane: ControlPlane, shared: GuestSpec
) -> None:
    """A namespace takes the guest's place in its network, for a boot sector does not ask."""
    name = f"asker-{host.instance}"
    ask = ["ip", "netns", "exec", name, "curl", "-s", "-m", "5", "-w", "%{http_code}"]
    host.run("ip", "netns", "add", name)
    try:
        peer = ["peer", "name", "eth0", "address", shared.nics[0].mac, "netns", name]
        host.run("ip", "link", "add", "name", "asker", "type", "veth", *peer)
        host.run("ip", "link", "set", "asker", "up")
        for command in (
            ["addr", "add", "10.0.0.11/24", "dev", "eth0"],
            ["addr", "add", "10.0.0.99/24", "dev", "eth0"],
            ["link", "set", "eth0", "up", "addrgenmode", "none"],
            ["route", "add", "169.254.169.254/32", "via", "10.0.0.2"],
        ):
            host.run("ip", "-n", name, *command)
        host.run("ip", "netns", "exec", name, "ethtool", "-K", "eth0", "tx", "off")
        host.vsctl("add-port", "br-int", "asker")
        url = "http://169.254.169.254"
        got = host.run(*ask, "--interface", "10.0.0.11", f"{url}/openstack/latest/meta_data.json")
        assert shared.id in got and got.endswith("200")
        assert (
            host.run(*ask, "--interface", "10.0.0.11", f"{url}/latest/meta-data/hostname") == "first.local200"
        )
        other = host.run(*ask, "--interface", "10.0.0.99", f"{url}/openstack/latest/meta_data.json")
        assert other.endswith("404")
        # By IPv6 it is the card's own link-local address that tells who asks.
        url = "http://[fe80::a9fe:a9fe%25eth0]/latest/meta-data/hostname"
        for address, answer in (
            (link_local(shared.nics[0].mac), "first.local200"),
            ("fe80::99", "404"),
        ):
            host.run("ip", "-n", name, "addr", "add", f"{address}/64", "dev", "eth0", "nodad")
            assert host.run(*ask, url) == answer
            host.run("ip", "-n", name, "addr", "del", f"{address}/64", "dev", "eth0")
    finally:
        host.vsctl("--if-exists", "del-port", "asker")
        host.run("ip", "netns", "del", name)


def test_disks_and_cards_come_and_go(host: Machine, plane: ControlPlane, shared: GuestSpec) -> None:
    """A boot sector lets go of nothing, so what was plugged in is only seen to be asked for."""
    disk = replace(make_disk(plane), target="vdb")
    card = make_nic(12)
    changed = replace(current(plane, shared), disks=[*shared.disks, disk], nics=[*shared.nics, card])
    plane.order(changed)
    seen = settled(plane, changed, GuestState.RUNNING)
    assert disk.disk_id in seen.disks and card.port_id in seen.nics
    plane.order(DiskSpec(id=disk.disk_id, size_bytes=24 * MIB))
    plane.wait_for("grown", lambda: plane.items[("disk", disk.disk_id)].size_bytes == 24 * MIB)
    pid = qemu_pid(host, shared)
    # Off and on again, the guest has what it should, and the rest can be destroyed.
    plane.order(replace(shared, power=Power.OFF))
    settled(plane, shared, GuestState.STOPPED)
    plane.order(shared)
    seen = settled(plane, shared, GuestState.RUNNING)
    assert seen.disks == [shared.disks[0].disk_id] and seen.nics == [shared.nics[0].port_id]
    assert qemu_pid(host, shared) != pid
    plane.order(None, tombstone=("disk", disk.disk_id))
    plane.wait_for("gone", lambda: isinstance(plane.items[("disk", disk.disk_id)], Gone))


@pytest.mark.parametrize("victim", ["agent", "libvirtd"])
def test_guests_survive_what_looks_after_them(
    host: Machine, plane: ControlPlane, shared: GuestSpec, victim: str
) -> None:
    pid = qemu_pid(host, shared)
    host.stop(victim, signal.SIGKILL)
    {"agent": host.start_agent, "libvirtd": host.start_libvirtd}[victim]()
    plane.order(replace(current(plane, shared), mhz=current(plane, shared).mhz + 1))
    settled(plane, shared, GuestState.RUNNING)
    assert qemu_pid(host, shared) == pid


def test_the_control_plane_may_be_away(host: Machine, plane: ControlPlane, shared: GuestSpec) -> None:
    pid = qemu_pid(host, shared)
    plane.away = True
    time.sleep(3)
    plane.away = False
    changed = replace(current(plane, shared), mhz=current(plane, shared).mhz + 1)
    plane.order(changed)
    settled(plane, changed, GuestState.RUNNING, 60)
    assert qemu_pid(host, shared) == pid


def test_a_killed_guest_is_reported_soon_and_stays_down(
    host: Machine, plane: ControlPlane, shared: GuestSpec
) -> None:
    os.kill(qemu_pid(host, shared), signal.SIGKILL)
    killed_at = time.monotonic()
    settled(plane, shared, GuestState.CRASHED, 8)
    assert time.monotonic() - killed_at < 5
    plane.order(current(plane, shared))
    settled(plane, shared, GuestState.RUNNING)


def test_reboots(host: Machine, plane: ControlPlane, shared: GuestSpec) -> None:
    before = current(plane, shared)
    pid = qemu_pid(host, shared)
    plane.order(replace(before, hard_reboots=before.hard_reboots + 1))
    assert settled(plane, shared, GuestState.RUNNING).hard_reboots == before.hard_reboots + 1
    second = qemu_pid(host, shared)
    assert second != pid
    # This guest does not hear the request, so after a second its power is cut.
    plane.order(replace(current(plane, shared), soft_reboots=before.soft_reboots + 2))
    assert settled(plane, shared, GuestState.RUNNING).soft_reboots == before.soft_reboots + 2
    assert qemu_pid(host, shared) != second


def cpu_share(pid: int, seconds: float = 4.0) -> float:
    """The part of one core that a process took."""

    def ticks() -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    first, started = ticks(), time.monotonic()
    time.sleep(seconds)
    return (ticks() - first) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - started)


@pytest.mark.parametrize("cores", [1, 2])
def test_a_busy_guest_gets_the_mhz_ordered_and_no_more(
    host: Machine, plane: ControlPlane, cores: int
) -> None:
    """Where other work leaves the guest less than ordered, only the cap can be seen."""
    plane.wait_for("facts", lambda: plane.facts)
    assert plane.facts is not None
    quarter = plane.facts.mhz_per_core // 4
    spec = make_guest(plane, "spinning", mhz=quarter, nics=[], cores=cores)
    settled(plane, spec, GuestState.RUNNING)
    for share in (0.25, 0.5):
        plane.order(replace(spec, mhz=round(quarter * 4 * share)))
        settled(plane, spec, GuestState.RUNNING)
        time.sleep(1)
        held = throttled(spec)
        measured = cpu_share(qemu_pid(host, spec))
        assert measured < share + 0.05
        crowded = os.getloadavg()[0] > len(os.sched_getaffinity(0))
        assert measured > share - 0.05 or throttled(spec) > held or crowded
    bury(plane, spec)


def throttled(spec: GuestSpec) -> int:
    """How often the kernel made the guest wait for its next period, by either version of cgroups."""
    for pattern in ("cpu/machine/qemu-*", "machine*/*qemu-*"):
        for path in Path("/sys/fs/cgroup").glob(f"{pattern}/cpu.stat"):
            if spec.id[:13] in path.parent.name.replace("\\x2d", "-"):
                words = path.read_text().split()
                return int(words[words.index("nr_throttled") + 1])
    raise AssertionError("the guest has no cgroup")


def test_a_damaged_image_is_a_fault_in_words(host: Machine, plane: ControlPlane) -> None:
    disk_id = str(uuid.uuid4())
    plane.images["damaged"] = plane.images["halting"]
    wrong = DiskSource(image_id="damaged", image_format="raw", sha256="0" * 64)
    plane.order(DiskSpec(id=disk_id, size_bytes=8 * MIB, source=wrong))

    def fault() -> str | None:
        return getattr(plane.items.get(("disk", disk_id)), "fault", None)

    assert plane.wait_for("a fault", fault) == "The image arrived damaged."
    plane.order(None, tombstone=("disk", disk_id))
    plane.wait_for("gone", lambda: isinstance(plane.items[("disk", disk_id)], Gone))
    assert not list((host.agent_dir / "images").glob("damaged*"))


def test_a_killed_agent_leaves_nothing_behind(host: Machine, plane: ControlPlane) -> None:
    """Killed at random moments while guests are made and destroyed."""
    dice = random.Random(7)
    before = sorted(path.name for path in (host.agent_dir / "disks").iterdir())
    specs = []
    for _ in range(4):
        specs.append(make_guest(plane))
        time.sleep(dice.uniform(0.05, 0.8))
        host.stop("agent", signal.SIGKILL)
        host.start_agent()
    for spec in specs:
        settled(plane, spec, GuestState.RUNNING, 60)
    keys = [("guest", s.id) for s in specs] + [("disk", s.disks[0].disk_id) for s in specs]
    for key in keys:
        plane.order(None, tombstone=key)
    for _ in range(3):
        time.sleep(dice.uniform(0.05, 0.5))
        host.stop("agent", signal.SIGKILL)
        host.start_agent()
    for key in keys:
        plane.wait_for(f"{key} gone", lambda key=key: isinstance(plane.items.get(key), Gone))
    ids = [spec.nics[0].port_id[:11] for spec in specs]
    links = host.run("ip", "-o", "link")
    assert not [port for port in ids if port in links]
    ports = host.vsctl("list-ports", "br-int")
    assert not [port for port in ids if port in ports]
    assert sorted(path.name for path in (host.agent_dir / "disks").iterdir()) == before
    assert not [s for s in specs if (host.agent_dir / "guests" / s.id).exists()]
    wait_until("namespaces gone", lambda: not networks_left(specs))


def networks_left(specs: list[GuestSpec]) -> list[str]:
    names = os.listdir("/run/netns")
    return [spec.id for spec in specs if any(spec.nics[0].network_id in name for name in names)]


def test_nothing_is_left_of_a_guest_that_goes(host: Machine, plane: ControlPlane, shared: GuestSpec) -> None:
    pid = qemu_pid(host, shared)
    bury(plane, current(plane, shared))
    assert not Path(f"/proc/{pid}").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    wait_until("namespace gone", lambda: not networks_left([shared]))
    assert "tap" not in host.run("ip", "-o", "link")
    assert host.vsctl("list-ports", "br-int").split() == []
    assert list((host.agent_dir / "guests").iterdir()) == []
    # What the switch counted for metering labels is the host's.
    assert [path.name for path in (host.agent_dir / "records").iterdir()] == ["labels.counts"]
