# ruff: noqa: ARG002  (a twin takes all arguments of the protocol and needs few)
"""Guests that are only pretended, for tests and for simulated hosts: same protocol, no process.

They start at once, and obey a shutdown at once unless told otherwise.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.hypervisor import StartOrder
from volutus.agent.state import GuestSeen, GuestSize
from volutus.agent.storage import DiskLocation, RbdImage
from volutus.wire import GuestDisk, GuestNic, GuestState


def never(what: str) -> None:
    """The trouble of a host without trouble."""


@dataclass
class SimulatedHypervisor:
    """`trouble` is called before each change with its name and may raise HostFault. Guests in `deaf` ignore
    requests to shut down; those in `answering` reboot from inside. `starts` counts starts by guest. Moved
    disks are alike at once, unless it `copies_slowly`."""

    trouble: Callable[[str], None] = never
    copies_slowly: bool = False
    deaf: set[str] = field(default_factory=set)
    answering: set[str] = field(default_factory=set)
    starts: dict[str, int] = field(default_factory=dict)
    passwords: dict[str, tuple[str, str]] = field(default_factory=dict)
    inner_reboots: dict[str, int] = field(default_factory=dict)
    _guests: dict[str, GuestSeen] = field(default_factory=dict)

    def version(self) -> int:
        return 7_002_000

    def guests(self) -> dict[str, GuestSeen]:
        return dict(self._guests)

    def files(self) -> frozenset[str]:
        return frozenset(self._guests)

    def start(self, order: StartOrder) -> None:
        self.trouble("start")
        spec = order.spec
        if spec.id in self._guests and self._guests[spec.id].alive:
            return
        self.starts[spec.id] = self.starts.get(spec.id, 0) + 1
        self._guests[spec.id] = GuestSeen(
            GuestState.RUNNING,
            disks=frozenset(order.disks),
            files={disk_id: _file(location) for disk_id, location in order.disks.items()},
            nics=frozenset(order.taps),
            mhz=spec.mhz,
            size=GuestSize(
                spec.cores,
                spec.memory_mib,
                max(spec.hardware.cores_max, spec.cores),
                max(spec.hardware.memory_mib_max, spec.memory_mib),
            ),
        )

    def ask_shutdown(self, guest_id: str) -> None:
        self.trouble("ask_shutdown")
        if guest_id not in self.deaf:
            self.stop_inside(guest_id)

    def ask_reboot(self, guest_id: str) -> bool:
        self.trouble("ask_reboot")
        if not self._guest(guest_id).alive or guest_id not in self.answering:
            return False
        self.inner_reboots[guest_id] = self.inner_reboots.get(guest_id, 0) + 1
        return True

    def kill(self, guest_id: str) -> None:
        self.trouble("kill")
        self.stop_inside(guest_id)

    def pause(self, guest_id: str) -> None:
        self.trouble("pause")
        guest = self._running(guest_id)
        self._guests[guest_id] = replace(guest, state=GuestState.PAUSED, cause="user")

    def resume(self, guest_id: str) -> None:
        self.trouble("resume")
        guest = self._guest(guest_id)
        if guest.state is GuestState.PAUSED:
            self._guests[guest_id] = replace(guest, state=GuestState.RUNNING, cause="")

    def save(self, guest_id: str) -> None:
        self.trouble("save")
        if self._guest(guest_id).alive:
            self._guests[guest_id] = GuestSeen(GuestState.SUSPENDED, cause="saved")

    def drop_saved(self, guest_id: str) -> None:
        self.trouble("drop_saved")
        if self._guest(guest_id).state is GuestState.SUSPENDED:
            self._guests[guest_id] = GuestSeen(GuestState.STOPPED)

    def set_password(self, guest_id: str, user: str, password: str) -> None:
        self.trouble("set_password")
        self._running(guest_id)
        self.passwords[guest_id] = (user, password)

    def inject_nmi(self, guest_id: str) -> None:
        self.trouble("inject_nmi")
        self._running(guest_id)

    def remove(self, guest_id: str) -> None:
        self.trouble("remove")
        if guest_id in self._guests and self._guests[guest_id].alive:
            raise HostFault("The guest still runs.")
        self._guests.pop(guest_id, None)

    def set_mhz(self, guest_id: str, mhz: int) -> None:
        self.trouble("set_mhz")
        self._guests[guest_id] = replace(self._running(guest_id), mhz=mhz)

    def grow(self, guest_id: str, cores: int, memory_mib: int) -> None:
        self.trouble("grow")
        guest = self._running(guest_id)
        grown = replace(guest.size, cores=cores, memory_mib=memory_mib)
        self._guests[guest_id] = replace(guest, size=grown)

    def keep_key(self, disk_id: str, key: bytes) -> None:
        """Nothing is ever encrypted."""

    def keep_cluster_key(self, image: RbdImage, key: bytes) -> None:
        """No disk is opened."""

    def attach_disk(self, guest_id: str, disk: GuestDisk, location: DiskLocation) -> None:
        self.trouble("attach_disk")
        guest = self._running(guest_id)
        files = {**guest.files, disk.disk_id: _file(location)}
        self._guests[guest_id] = replace(guest, disks=guest.disks | {disk.disk_id}, files=files)

    def detach_disk(self, guest_id: str, disk_id: str) -> None:
        self.trouble("detach_disk")
        guest = self._running(guest_id)
        if disk_id in guest.mirrors:
            raise HostFault("The guest's disk is being moved.")
        files = {name: file for name, file in guest.files.items() if name != disk_id}
        self._guests[guest_id] = replace(guest, disks=guest.disks - {disk_id}, files=files)

    def grow_disk(self, guest_id: str, disk_id: str, size_bytes: int) -> None:
        """Here the size is the storage's alone."""
        self.trouble("grow_disk")
        self._running(guest_id)

    def copy_disk(self, guest_id: str, disk_id: str, target: Path) -> None:
        """Here the copy is the storage's alone."""
        self.trouble("copy_disk")
        if disk_id not in self._running(guest_id).disks:
            raise HostFault("The disk is not plugged into the guest.")

    def begin_move(self, guest_id: str, disk_id: str, target: DiskLocation) -> None:
        self.trouble("begin_move")
        guest = self._running(guest_id)
        mirrors = {**guest.mirrors, disk_id: not self.copies_slowly}
        self._guests[guest_id] = replace(guest, mirrors=mirrors)

    def end_move(self, guest_id: str, disk_id: str, file: str, commit: Callable[[], None]) -> None:
        """Trouble in it is the agent's end: the guest stays held."""
        self.trouble("end_move")
        guest = self._running(guest_id)
        held = replace(guest, state=GuestState.PAUSED, cause="held")
        if disk_id in guest.mirrors:
            held = replace(
                held, mirrors=_without(guest.mirrors, disk_id), files={**guest.files, disk_id: file}
            )
        self._guests[guest_id] = held
        if held.files[disk_id] != file:
            raise HostFault("The copy of the guest's disk ended before its time.")
        self.trouble("go_over")
        commit()
        self.trouble("let_go")
        self._guests[guest_id] = replace(held, state=guest.state, cause=guest.cause)

    def abort_move(self, guest_id: str, disk_id: str) -> None:
        self.trouble("abort_move")
        guest = self._guest(guest_id)
        self._guests[guest_id] = replace(guest, mirrors=_without(guest.mirrors, disk_id))

    def copied_inside(self, guest_id: str, disk_id: str) -> None:
        """The place that the disk moves to is alike by now."""
        guest = self._running(guest_id)
        self._guests[guest_id] = replace(guest, mirrors={**guest.mirrors, disk_id: True})

    def at_rest(self, guest_id: str) -> AbstractContextManager[None]:
        return nullcontext()

    def attach_nic(self, guest_id: str, nic: GuestNic, tap: str) -> None:
        self.trouble("attach_nic")
        guest = self._running(guest_id)
        self._guests[guest_id] = replace(guest, nics=guest.nics | {nic.port_id})

    def detach_nic(self, guest_id: str, port_id: str) -> None:
        self.trouble("detach_nic")
        guest = self._running(guest_id)
        self._guests[guest_id] = replace(guest, nics=guest.nics - {port_id})

    def vnc_socket(self, guest_id: str) -> str | None:
        return None

    def serial_socket(self, guest_id: str) -> str | None:
        return None

    def console_log(self, guest_id: str) -> Path | None:
        return None

    def close(self) -> None:
        """Nothing is open."""

    def stop_inside(self, guest_id: str, state: GuestState = GuestState.STOPPED) -> None:
        """The guest powers itself off, or crashes."""
        guest = self._guests.get(guest_id)
        if guest is not None and guest.alive:
            self._guests[guest_id] = GuestSeen(state)

    def pause_inside(self, guest_id: str) -> None:
        """The guest is paused by a failed write."""
        guest = self._guests.get(guest_id)
        if guest is not None and guest.alive:
            self._guests[guest_id] = replace(guest, state=GuestState.PAUSED, cause="ioerror")

    def add_stranger(self, guest_id: str, nics: frozenset[str] = frozenset()) -> None:
        """A guest appears that nobody ordered."""
        self._guests[guest_id] = GuestSeen(GuestState.RUNNING, nics=nics)

    def _guest(self, guest_id: str) -> GuestSeen:
        try:
            return self._guests[guest_id]
        except KeyError:
            raise HostFault("The guest is not on this host.") from None

    def _running(self, guest_id: str) -> GuestSeen:
        guest = self._guest(guest_id)
        if not guest.alive:
            raise HostFault("The guest does not run.")
        return guest


def _without(mirrors: Mapping[str, bool], disk_id: str) -> dict[str, bool]:
    return {name: alike for name, alike in mirrors.items() if name != disk_id}


def _file(location: DiskLocation) -> str:
    return location.place.name
