"""What each driver promises, checked on the simulated and on the real one alike."""

import ctypes
import dataclasses
import functools
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.agent.machine import machine, wait_until
from tests.agent.world import GIB, guest, nic
from volutus.agent.config import parse
from volutus.agent.faults import HostFault
from volutus.agent.hypervisor import Hypervisor, StartOrder
from volutus.agent.hypervisor.domain_xml import Machine
from volutus.agent.hypervisor.guest_files import GuestFiles
from volutus.agent.hypervisor.libvirt_driver import LibvirtAccess, LibvirtHypervisor
from volutus.agent.hypervisor.simulated import SimulatedHypervisor
from volutus.agent.network import Network
from volutus.agent.network.ovs import OvsAccess, OvsNetwork
from volutus.agent.network.simulated import SimulatedNetwork
from volutus.agent.state import CaptureState
from volutus.agent.storage import Holder, StorageBackend
from volutus.agent.storage.host_storage import HostStorage
from volutus.agent.storage.simulated import SimulatedStorage
from volutus.wire import (
    CpuTopology,
    DiskSource,
    DiskSpec,
    Firmware,
    GuestDisk,
    GuestHardware,
    GuestNic,
    GuestSpec,
    GuestState,
    UploadSpec,
)

QEMU_USER = "libvirt-qemu"


@dataclass
class Rig:
    """One set of drivers; `fetched` names the images asked for."""

    hypervisor: Hypervisor
    storage: StorageBackend
    network: Network
    fetched: list[str] = field(default_factory=list)

    @contextmanager
    def fetch(self, image_id: str) -> Iterator[Iterator[bytes]]:
        self.fetched.append(image_id)
        yield iter([bytes(1 << 20)])

    def disk(self, **changes: object) -> DiskSpec:
        spec = replace(DiskSpec(id=str(uuid.uuid4()), size_bytes=4 << 20), **changes)
        self.storage.create(spec, self.fetch)
        return spec

    def port(self, guest_id: str) -> GuestNic:
        card = replace(nic(7), port_id=str(uuid.uuid4()), network_id=str(uuid.uuid4()), metadata=None)
        self.network.plug(guest_id, card)
        return card

    def order(self) -> StartOrder:
        guest_id = str(uuid.uuid4())
        disk, card = self.disk(), self.port(guest_id)
        spec = guest(guest_id, memory_mib=32, disks=[GuestDisk(disk_id=disk.id, target="vda")], nics=[card])
        return self.order_of(spec)

    def order_of(self, spec: GuestSpec) -> StartOrder:
        return StartOrder(
            spec=spec,
            disks={d.disk_id: self.storage.location(d.disk_id) for d in spec.disks},
            taps={n.port_id: self.network.tap(n.port_id) for n in spec.nics},
        )

    def started(self) -> GuestSpec:
        order = self.order()
        self.hypervisor.start(order)
        return order.spec

    def end(self, guest_id: str) -> None:
        self.hypervisor.kill(guest_id)
        self.hypervisor.remove(guest_id)


@contextmanager
def entered(namespace: str) -> Iterator[None]:
    """This thread, and what it runs, in a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    assert libc.setns(there, 0) == 0
    try:
        yield
    finally:
        assert libc.setns(back, 0) == 0
        os.close(back)
        os.close(there)


@contextmanager
def real_rig() -> Iterator[Rig]:
    with machine() as host:
        host.start_switch()
        host.start_libvirtd()
        host.agent_dir.mkdir(exist_ok=True)
        config = parse({"control_plane": "http://127.0.0.1:1", "instance": host.instance}, host.agent_dir)
        host.configure_agent(config.control_plane)
        files = GuestFiles(config.state_dir, config.guest_view, QEMU_USER)
        access = LibvirtAccess(config.libvirt_uri, config.pid_dir, config.pool_views)
        hypervisor = LibvirtHypervisor(access, Machine("tcg", 3000, offloads=False), files, None)
        storage = HostStorage(config.state_dir, QEMU_USER)
        with entered(host.namespace):
            network = OvsNetwork(OvsAccess(config.ovs_database, config.bridge, config.instance))
            yield Rig(hypervisor, storage, network)
            network.close()
        hypervisor.close()


@pytest.fixture(scope="module", params=["simulated", pytest.param("real", marks=pytest.mark.machine)])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    if request.param == "simulated":
        yield Rig(SimulatedHypervisor(), SimulatedStorage(), SimulatedNetwork())
    else:
        with real_rig() as made:
            yield made


class TestHypervisor:
    def test_a_started_guest_is_seen_with_what_it_has(self, rig: Rig) -> None:
        spec = rig.started()
        seen = rig.hypervisor.guests()[spec.id]
        assert seen.state is GuestState.RUNNING and seen.mhz == spec.mhz
        assert seen.disks == {spec.disks[0].disk_id} and seen.nics == {spec.nics[0].port_id}
        assert spec.id in rig.hypervisor.files()
        rig.end(spec.id)

    def test_starting_twice_is_starting_once(self, rig: Rig) -> None:
        order = rig.order()
        rig.hypervisor.start(order)
        rig.hypervisor.start(order)
        assert rig.hypervisor.guests()[order.spec.id].alive
        rig.end(order.spec.id)

    def test_a_killed_guest_is_stopped_and_may_be_killed_again(self, rig: Rig) -> None:
        spec = rig.started()
        for _ in range(2):
            rig.hypervisor.kill(spec.id)
            assert rig.hypervisor.guests()[spec.id].state is GuestState.STOPPED
        rig.end(spec.id)

    def test_a_stopped_guest_starts_again_with_what_is_ordered_now(self, rig: Rig) -> None:
        spec = rig.started()
        rig.hypervisor.kill(spec.id)
        rig.hypervisor.start(rig.order_of(replace(spec, nics=[], mhz=777)))
        seen = rig.hypervisor.guests()[spec.id]
        assert seen.alive and seen.nics == frozenset() and seen.mhz == 777
        rig.end(spec.id)

    def test_a_running_guest_is_not_removed(self, rig: Rig) -> None:
        spec = rig.started()
        with pytest.raises(HostFault):
            rig.hypervisor.remove(spec.id)
        assert rig.hypervisor.guests()[spec.id].alive
        rig.end(spec.id)

    def test_a_removed_guest_leaves_nothing_and_may_be_removed_again(self, rig: Rig) -> None:
        spec = rig.started()
        rig.end(spec.id)
        rig.hypervisor.remove(spec.id)
        assert spec.id not in rig.hypervisor.guests() and spec.id not in rig.hypervisor.files()

    def test_devices_are_plugged_in_once(self, rig: Rig) -> None:
        spec = rig.started()
        disk = GuestDisk(disk_id=rig.disk().id, target="vdb")
        card = rig.port(spec.id)
        for _ in range(2):
            rig.hypervisor.attach_disk(spec.id, disk, rig.storage.location(disk.disk_id))
            rig.hypervisor.attach_nic(spec.id, card, rig.network.tap(card.port_id))
        seen = rig.hypervisor.guests()[spec.id]
        assert disk.disk_id in seen.disks and card.port_id in seen.nics
        rig.end(spec.id)

    def test_unplugging_what_is_not_there_does_nothing(self, rig: Rig) -> None:
        spec = rig.started()
        rig.hypervisor.detach_disk(spec.id, str(uuid.uuid4()))
        rig.hypervisor.detach_nic(spec.id, str(uuid.uuid4()))
        assert rig.hypervisor.guests()[spec.id].alive
        rig.end(spec.id)

    def test_the_speed_changes_while_it_runs(self, rig: Rig) -> None:
        spec = rig.started()
        rig.hypervisor.set_mhz(spec.id, 500)
        assert rig.hypervisor.guests()[spec.id].mhz == 500
        rig.end(spec.id)

    def test_it_grows_as_far_as_it_was_started_for(self, rig: Rig) -> None:
        order = rig.order()
        can_grow = GuestHardware(cores_max=3, memory_mib_max=512)
        spec = replace(order.spec, memory_mib=128, hardware=can_grow)
        rig.hypervisor.start(dataclasses.replace(order, spec=spec))
        rig.hypervisor.grow(spec.id, 2, 256)
        size = rig.hypervisor.guests()[spec.id].size
        assert (size.cores, size.memory_mib, size.cores_max, size.memory_mib_max) == (2, 256, 3, 512)
        assert not size.grows_to(4, 256) and not size.grows_to(1, 512) and size.grows_to(2, 384)
        rig.end(spec.id)

    @pytest.mark.parametrize(
        "hardware",
        [
            GuestHardware(
                machine="q35",
                firmware=Firmware.SECURE_UEFI,
                tpm_model="tpm-crb",
                cdrom_bus="sata",
                watchdog_action="reset",
                tablet=True,
                boot_menu=True,
                boots_network=True,
            ),
            GuestHardware(
                firmware=Firmware.UEFI,
                cpu_model="Nehalem",
                topology=CpuTopology(sockets=1, cores=2, threads=1),
                numa_nodes=2,
                video_model="virtio",
                rng=False,
            ),
        ],
        ids=["windows", "odd"],
    )
    def test_a_machine_of_another_kind_starts_again_as_it_was(
        self, rig: Rig, hardware: GuestHardware
    ) -> None:
        order = rig.order()
        cards = [replace(nic, model="e1000") for nic in order.spec.nics]
        disks = [replace(disk, bus="sata", target="sda", boot_index=0) for disk in order.spec.disks]
        spec = replace(order.spec, hardware=hardware, cores=2, nics=cards, disks=disks)
        for _ in range(2):
            rig.hypervisor.start(dataclasses.replace(order, spec=spec))
            assert rig.hypervisor.guests()[spec.id].alive
            rig.hypervisor.kill(spec.id)
        rig.hypervisor.remove(spec.id)

    def test_a_disk_grows_under_a_running_guest(self, rig: Rig) -> None:
        spec = rig.started()
        disk_id = spec.disks[0].disk_id
        rig.hypervisor.grow_disk(spec.id, disk_id, 8 << 20)
        rig.storage.grown(disk_id, 8 << 20)
        assert rig.storage.disks()[disk_id].size_bytes == 8 << 20
        rig.end(spec.id)

    def test_a_guest_is_held_and_goes_on(self, rig: Rig) -> None:
        spec = rig.started()
        for _ in range(2):
            rig.hypervisor.pause(spec.id)
            assert rig.hypervisor.guests()[spec.id].state is GuestState.PAUSED
        for _ in range(2):
            rig.hypervisor.resume(spec.id)
            assert rig.hypervisor.guests()[spec.id].state is GuestState.RUNNING
        rig.end(spec.id)

    def test_an_open_disk_is_copied_whole(self, rig: Rig) -> None:
        spec = rig.started()
        source = DiskSource(disk_id=spec.disks[0].disk_id)
        made = DiskSpec(id=str(uuid.uuid4()), size_bytes=8 << 20, source=source)

        holder = Holder(
            functools.partial(rig.hypervisor.copy_disk, spec.id, str(source.disk_id)),
            functools.partial(rig.hypervisor.at_rest, spec.id),
        )
        with holder.at_rest():
            assert rig.hypervisor.guests()[spec.id].state is GuestState.RUNNING
        for _ in range(2):
            rig.storage.create(made, rig.fetch, holder)
        assert rig.storage.disks()[made.id].size_bytes == 8 << 20
        image = UploadSpec(id=str(uuid.uuid4()), disk_id=str(source.disk_id), format="raw")
        rig.storage.capture(image, holder)
        assert rig.storage.captures()[image.id] is CaptureState.MADE
        rig.storage.sent(image.id)
        rig.storage.capture(image, holder)
        assert rig.storage.captures()[image.id] is CaptureState.SENT
        rig.storage.drop_capture(image.id)
        assert image.id not in rig.storage.captures()
        assert rig.hypervisor.guests()[spec.id].state is GuestState.RUNNING
        rig.end(spec.id)

    def test_a_disk_that_is_not_plugged_in_is_not_copied(self, rig: Rig) -> None:
        spec = rig.started()
        place = rig.storage.location(spec.disks[0].disk_id).place
        assert isinstance(place, Path)
        target = place.with_suffix(".part")
        with pytest.raises(HostFault):
            rig.hypervisor.copy_disk(spec.id, str(uuid.uuid4()), target)
        rig.end(spec.id)

    def test_a_guest_without_an_agent_does_not_reboot_from_inside(self, rig: Rig) -> None:
        spec = rig.started()
        assert rig.hypervisor.ask_reboot(spec.id) is False
        assert rig.hypervisor.guests()[spec.id].alive
        rig.end(spec.id)

    def test_resuming_what_runs_does_nothing(self, rig: Rig) -> None:
        spec = rig.started()
        rig.hypervisor.resume(spec.id)
        assert rig.hypervisor.guests()[spec.id].state is GuestState.RUNNING
        rig.end(spec.id)

    @pytest.mark.parametrize("call", ["resume", "ask_reboot"])
    def test_an_unknown_guest_is_a_fault(self, rig: Rig, call: str) -> None:
        with pytest.raises(HostFault):
            getattr(rig.hypervisor, call)(str(uuid.uuid4()))

    def test_the_version_is_a_number(self, rig: Rig) -> None:
        assert rig.hypervisor.version() >= 7_000_000


class TestStorage:
    def test_a_disk_is_seen_with_its_size(self, rig: Rig) -> None:
        spec = rig.disk()
        assert rig.storage.disks()[spec.id].size_bytes == spec.size_bytes
        rig.storage.destroy(spec.id)

    def test_creating_twice_keeps_the_first(self, rig: Rig) -> None:
        spec = rig.disk()
        rig.storage.create(replace(spec, size_bytes=GIB), rig.fetch)
        assert rig.storage.disks()[spec.id].size_bytes == spec.size_bytes
        rig.storage.destroy(spec.id)

    def test_a_disk_grows_and_never_shrinks(self, rig: Rig) -> None:
        spec = rig.disk()
        rig.storage.grow(spec.id, 8 << 20)
        rig.storage.grow(spec.id, 2 << 20)
        assert rig.storage.disks()[spec.id].size_bytes == 8 << 20
        rig.storage.destroy(spec.id)

    def test_an_image_serves_many_disks(self, rig: Rig) -> None:
        image = DiskSource(image_id=str(uuid.uuid4()), image_format="raw")
        disks = [rig.disk(source=image) for _ in range(3)]
        assert {d.id for d in disks} <= rig.storage.disks().keys()
        assert rig.fetched.count(image.image_id or "") <= 1
        for disk in disks:
            rig.storage.destroy(disk.id)

    def test_a_copy_stands_by_itself(self, rig: Rig) -> None:
        first = rig.disk()
        copy = rig.disk(source=DiskSource(disk_id=first.id), size_bytes=8 << 20)
        rig.storage.destroy(first.id)
        assert rig.storage.disks()[copy.id].size_bytes == 8 << 20
        rig.storage.destroy(copy.id)

    def test_destroying_twice_is_destroying_once(self, rig: Rig) -> None:
        spec = rig.disk()
        rig.storage.destroy(spec.id)
        rig.storage.destroy(spec.id)
        assert spec.id not in rig.storage.disks()

    def test_tidying_keeps_disks(self, rig: Rig) -> None:
        image = DiskSource(image_id=str(uuid.uuid4()), image_format="raw")
        spec = rig.disk(source=image)
        rig.storage.tidy(frozenset())
        assert spec.id in rig.storage.disks()
        rig.storage.destroy(spec.id)

    def test_the_pool_has_a_size(self, rig: Rig) -> None:
        assert rig.storage.capacity_gib() > 0


class TestNetwork:
    def test_a_port_is_seen_whole_with_its_guest(self, rig: Rig) -> None:
        card = rig.port("some-guest")
        rig.network.plug("some-guest", card)
        seen = rig.network.ports()[card.port_id]
        assert seen.whole and seen.guest_id == "some-guest"
        rig.network.unplug(card.port_id)
        rig.network.unplug(card.port_id)
        assert card.port_id not in rig.network.ports()

    def test_traffic_is_counted_from_nothing(self, rig: Rig) -> None:
        card = rig.port("some-guest")
        readings = rig.network.traffic({card.port_id: 1, "unknown": 2}, rig.network.carried())
        assert readings.keys() == {card.port_id}
        assert readings[card.port_id].sent_bytes == 0
        rig.network.unplug(card.port_id)

    def test_metadata_is_served_and_dropped(self, rig: Rig) -> None:
        port = nic(1).metadata
        assert port is not None
        port = replace(port, port_id=str(uuid.uuid4()))
        network_id = str(uuid.uuid4())
        for _ in range(2):
            rig.network.serve_metadata(network_id, port)
            assert rig.network.metadata()[network_id] == port
        moved = replace(port, port_id=str(uuid.uuid4()), addresses=["10.9.0.2/24"])
        rig.network.serve_metadata(network_id, moved)
        assert rig.network.metadata()[network_id] == moved
        for _ in range(2):
            rig.network.drop_metadata(network_id)
            assert network_id not in rig.network.metadata()


@pytest.mark.machine
def test_a_half_made_port_is_seen_and_made_whole() -> None:
    """As a crash leaves it: a tap without its switch port, and the other way round."""
    with real_rig() as rig:
        assert isinstance(rig.network, OvsNetwork)
        one, two = rig.port("g"), rig.port("g")
        rig.network._switch.remove_port(rig.network.tap(one.port_id))
        os.system(f"ip link del {rig.network.tap(two.port_id)}")
        seen = rig.network.ports()
        assert not seen[one.port_id].whole and not seen[two.port_id].whole
        for card in (one, two):
            rig.network.plug("g", card)
            assert rig.network.ports()[card.port_id].whole
            rig.network.unplug(card.port_id)
        assert rig.network.ports() == {}


@pytest.mark.machine
def test_the_directory_survives_what_a_crash_leaves(tmp_path: Path) -> None:
    storage = HostStorage(tmp_path, QEMU_USER)
    (tmp_path / "disks" / "half.part").write_bytes(b"x")
    (tmp_path / "images" / "half.upload").write_bytes(b"x")
    assert storage.disks() == {}
    storage.tidy(frozenset())
    assert not list(tmp_path.rglob("half*"))
    wait_until("room", lambda: storage.capacity_gib() > 0)
