"""Guests on QEMU through libvirt. What libvirtd must be configured like is said in `daemon`.

Domains are persistent, so that libvirt keeps saying why one stopped. They are defined anew from the order at
each start, and the definition is never edited: what is plugged in while running is in the running one alone.
Beside the connection only what was seen last is kept here; the agent may be restarted at any time.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring, tostring

import libvirt

from volutus.agent.devices import choose
from volutus.agent.faults import HostFault
from volutus.agent.hypervisor import StartOrder
from volutus.agent.hypervisor.backups import Backups, at_rest
from volutus.agent.hypervisor.domain_xml import (
    DISK_ALIAS,
    NAMESPACE,
    NIC_ALIAS,
    GuestPaths,
    Machine,
    cluster_secret,
    cpu_quota_us,
    cpu_shares,
    disk_element,
    domain,
    memory_element,
    mhz_element,
    nic_element,
    secret,
)
from volutus.agent.hypervisor.guest_files import GuestFiles
from volutus.agent.hypervisor.hardware_xml import VARIABLES, passed_addresses
from volutus.agent.hypervisor.mirrors import Mirrors, mirrored
from volutus.agent.hypervisor.open_disks import OpenDisks
from volutus.agent.hypervisor.pidwatch import PidWatch, read_pid
from volutus.agent.state import GuestSeen, GuestSize
from volutus.agent.storage import DiskLocation, RbdImage
from volutus.wire import GuestDisk, GuestNic, GuestSpec, GuestState

# A guest agent that does not answer within this is as good as none.
GUEST_AGENT_TIMEOUT_S = 5

_ALIVE = {
    libvirt.VIR_DOMAIN_RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED,
    libvirt.VIR_DOMAIN_SHUTDOWN,
    libvirt.VIR_DOMAIN_PMSUSPENDED,
}
_CRASHES = {libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, libvirt.VIR_DOMAIN_SHUTOFF_FAILED}
_FORGET_ALL = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)
_ABSENT = {libvirt.VIR_ERR_NO_DOMAIN}
_NOT_RUNNING = {libvirt.VIR_ERR_OPERATION_INVALID}


@dataclass(frozen=True)
class LibvirtAccess:
    """Where libvirtd is, where it keeps the pid files of QEMU, and where QEMU sees the pools of disks."""

    uri: str
    pid_dir: Path
    pools: tuple[Path, ...]


class LibvirtHypervisor:
    """See the module. `watch` gets the processes to look after; it may be None."""

    def __init__(
        self, access: LibvirtAccess, machine: Machine, files: GuestFiles, watch: PidWatch | None
    ) -> None:
        self._access = access
        self._machine = machine
        self._files = files
        self._watch = watch
        self._backups = Backups()
        self._mirrors = Mirrors()
        self._open_disks = OpenDisks(access.pools)
        self._lock = threading.Lock()
        self._choosing = threading.Lock()
        self._open: libvirt.virConnect | None = None
        # libvirt prints each error to the terminal unless told not to; they are raised anyway.
        libvirt.registerErrorHandler(_silent, None)

    def version(self) -> int:
        with _faults("The hypervisor does not answer."):
            return int(self._connection().getVersion())

    def guests(self) -> dict[str, GuestSeen]:
        with _faults("The hypervisor does not answer."):
            domains = self._connection().listAllDomains()
            seen = {}
            pids: dict[str, int] = {}
            for found in domains:
                with _absent_is_fine():
                    guest_id = found.UUIDString()
                    guest = self._mirrors.seen(guest_id, _guest_seen(found))
                    seen[guest_id] = guest
                    pid = read_pid(self._access.pid_dir / f"{found.name()}.pid") if guest.alive else None
                    pids |= {guest_id: pid} if pid else {}
        if self._watch is not None:
            self._watch.follow(frozenset(pids.values()))
        return self._open_disks.added(seen, pids)

    def files(self) -> frozenset[str]:
        return self._files.known()

    def start(self, order: StartOrder) -> None:
        spec = order.spec
        self._files.prepare(spec.id)
        drive = self._files.write_config_drive(spec.id, spec.metadata) if spec.config_drive else None
        paths = GuestPaths(
            vnc=self._seen(spec.id, "vnc.sock"),
            serial=self._seen(spec.id, "serial.sock"),
            console_log=self._seen(spec.id, "console.log"),
            config_drive=self._files.seen(drive) if drive else None,
            kernel=self._files.seen(order.kernel) if order.kernel else None,
            ramdisk=self._files.seen(order.ramdisk) if order.ramdisk else None,
            nvram=self._variables(spec),
        )
        disks = {disk_id: self._located(location) for disk_id, location in order.disks.items()}
        with _faults("The hypervisor could not start the guest."):
            found = self._find(spec.id)
            if found is not None and found.isActive():
                return
            if found is not None and found.hasManagedSaveImage():
                # It goes on as the machine that it was.
                found.create()
                return
            # Two guests that start at once must not be given the same device; others start together.
            with self._choosing if spec.hardware.devices else contextlib.nullcontext():
                given = self._free_devices(spec)
                xml = domain(spec, self._machine, disks, order.taps, paths, given)
                self._connection().defineXML(xml).create()

    def ask_shutdown(self, guest_id: str) -> None:
        with _faults("The guest could not be asked to shut down."), _absent_is_fine(_NOT_RUNNING):
            self._get(guest_id).shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)

    def ask_reboot(self, guest_id: str) -> bool:
        with _faults("The guest could not be asked to reboot."):
            found = self._get(guest_id)
            # Without its channel open nobody would answer; asking anyway waits for the whole timeout.
            if not _agent_is_there(found):
                return False
            found.agentSetResponseTimeout(GUEST_AGENT_TIMEOUT_S)
            try:
                found.reboot(libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT)
            except libvirt.libvirtError:
                return False
            return True

    def kill(self, guest_id: str) -> None:
        with _faults("The guest could not be stopped."), _absent_is_fine(_NOT_RUNNING):
            self._get(guest_id).destroy()

    def pause(self, guest_id: str) -> None:
        with _faults("The guest could not be paused."):
            found = self._get(guest_id)
            if found.state()[0] != libvirt.VIR_DOMAIN_PAUSED:
                found.suspend()

    def resume(self, guest_id: str) -> None:
        with _faults("The guest could not be resumed."):
            found = self._get(guest_id)
            if found.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                found.resume()

    def save(self, guest_id: str) -> None:
        with _faults("The guest could not be suspended."), _absent_is_fine(_NOT_RUNNING):
            self._get(guest_id).managedSave()

    def drop_saved(self, guest_id: str) -> None:
        with _faults("The guest's saved memory could not be dropped."), _absent_is_fine():
            found = self._get(guest_id)
            if found.hasManagedSaveImage():
                found.managedSaveRemove()

    def set_password(self, guest_id: str, user: str, password: str) -> None:
        with _faults("The agent in the guest could not set the password."):
            found = self._get(guest_id)
            if not _agent_is_there(found):
                raise HostFault("No agent in the guest answers, so its password cannot be set.")
            found.agentSetResponseTimeout(GUEST_AGENT_TIMEOUT_S)
            found.setUserPassword(user, password)

    def inject_nmi(self, guest_id: str) -> None:
        with _faults("The guest could not be interrupted."):
            self._get(guest_id).injectNMI()

    def remove(self, guest_id: str) -> None:
        with _faults("The guest could not be removed."), _absent_is_fine():
            found = self._find(guest_id)
            if found is not None:
                if found.isActive():
                    raise HostFault("The guest still runs.")
                found.undefineFlags(_FORGET_ALL)
        self._files.remove(guest_id)

    def set_mhz(self, guest_id: str, mhz: int) -> None:
        live = libvirt.VIR_DOMAIN_AFFECT_LIVE
        quota = cpu_quota_us(mhz, self._machine.host_mhz)
        with _faults("The guest's CPU could not be changed."):
            found = self._get(guest_id)
            found.setSchedulerParametersFlags({"global_quota": quota, "cpu_shares": cpu_shares(mhz)}, live)
            note = tostring(mhz_element(mhz), encoding="unicode")
            found.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, note, "volutus", NAMESPACE, live)

    def grow(self, guest_id: str, cores: int, memory_mib: int) -> None:
        live = libvirt.VIR_DOMAIN_AFFECT_LIVE
        with _faults("The guest could not be given more cores or memory."):
            found = self._get(guest_id)
            size = _size(_live(found))
            if cores > size.cores:
                found.setVcpusFlags(cores, live)
            if memory_mib > size.memory_mib:
                module = tostring(memory_element(memory_mib - size.memory_mib), encoding="unicode")
                found.attachDeviceFlags(module, live)

    def keep_key(self, disk_id: str, key: bytes) -> None:
        with _faults("The disk's key could not be given to the hypervisor."):
            self._connection().secretDefineXML(secret(disk_id)).setValue(key)

    def keep_cluster_key(self, image: RbdImage, key: bytes) -> None:
        with _faults("The key for Ceph could not be given to the hypervisor."):
            self._connection().secretDefineXML(cluster_secret(image)).setValue(key)

    def attach_disk(self, guest_id: str, disk: GuestDisk, location: DiskLocation) -> None:
        self._attach(guest_id, disk_element(disk, self._located(location), self._machine))

    def detach_disk(self, guest_id: str, disk_id: str) -> None:
        self._detach(guest_id, DISK_ALIAS + disk_id)

    def grow_disk(self, guest_id: str, disk_id: str, size_bytes: int) -> None:
        with _faults("The guest's disk could not be grown."):
            found = self._get(guest_id)
            for disk in _live(found).iterfind("devices/disk"):
                if _alias(disk) == DISK_ALIAS + disk_id:
                    target = disk.find("target")
                    if target is not None:
                        found.blockResize(
                            target.get("dev"), size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES
                        )
                    return
            raise HostFault("The disk is not plugged into the guest.")

    def copy_disk(self, guest_id: str, disk_id: str, target: Path) -> None:
        with _faults("The guest's disk could not be copied."):
            self._backups.copy(self._get(guest_id), DISK_ALIAS + disk_id, self._files.seen(target))

    @contextmanager
    def at_rest(self, guest_id: str) -> Iterator[None]:
        with _faults("The guest could not be brought to rest."):
            found = self._get(guest_id)
        with at_rest(found):
            yield

    def begin_move(self, guest_id: str, disk_id: str, target: DiskLocation) -> None:
        with _faults("The guest's disk could not be moved."):
            self._mirrors.begin(self._get(guest_id), disk_id, self._located(target))

    def end_move(self, guest_id: str, disk_id: str, file: str, commit: Callable[[], None]) -> None:
        with _faults("The guest could not go over to its disk's new place."):
            self._mirrors.end(self._get(guest_id), disk_id, file, commit)

    def abort_move(self, guest_id: str, disk_id: str) -> None:
        with _faults("The move of the guest's disk could not be ended."), _absent_is_fine(_NOT_RUNNING):
            self._mirrors.abort(self._get(guest_id), disk_id)

    def attach_nic(self, guest_id: str, nic: GuestNic, tap: str) -> None:
        self._attach(guest_id, nic_element(nic, tap, self._machine))

    def detach_nic(self, guest_id: str, port_id: str) -> None:
        self._detach(guest_id, NIC_ALIAS + port_id)

    def vnc_socket(self, guest_id: str) -> str | None:
        return str(self._files.path(guest_id, "vnc.sock"))

    def serial_socket(self, guest_id: str) -> str | None:
        return str(self._files.path(guest_id, "serial.sock"))

    def console_log(self, guest_id: str) -> Path | None:
        return self._files.path(guest_id, "console.log")

    def close(self) -> None:
        with self._lock:
            if self._open is not None:
                with contextlib.suppress(libvirt.libvirtError):
                    self._open.close()
                self._open = None
        if self._watch is not None:
            self._watch.close()

    def _connection(self) -> libvirt.virConnect:
        with self._lock:
            if self._open is None or not self._open.isAlive():
                self._open = libvirt.open(self._access.uri)
            return self._open

    def _find(self, guest_id: str) -> libvirt.virDomain | None:
        with _absent_is_fine():
            return self._get(guest_id)
        return None

    def _get(self, guest_id: str) -> libvirt.virDomain:
        return self._connection().lookupByUUIDString(guest_id)

    def _free_devices(self, spec: GuestSpec) -> list[str]:
        """Addresses of devices that no guest has, also none that is suspended and goes on with them."""
        if not spec.hardware.devices:
            return []
        others = [found for found in self._connection().listAllDomains() if found.UUIDString() != spec.id]
        held = [found for found in others if found.isActive() or found.hasManagedSaveImage()]
        taken = {address for found in held for address in passed_addresses(_live(found))}
        return choose(spec.hardware.devices, self._machine.devices, taken)

    def _attach(self, guest_id: str, device: Element) -> None:
        with _faults("The device could not be attached."):
            found = self._get(guest_id)
            if _alias(device) not in _aliases(_live(found)):
                xml = tostring(device, encoding="unicode")
                found.attachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def _detach(self, guest_id: str, alias: str) -> None:
        """Ask the guest to let go of the device; a later look sees whether it did."""
        with _faults("The device could not be detached."):
            found = self._get(guest_id)
            if alias in _aliases(_live(found)):
                with _absent_is_fine({libvirt.VIR_ERR_DEVICE_MISSING}):
                    found.detachDeviceAlias(alias, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def _variables(self, spec: GuestSpec) -> Path | None:
        """The guest's own copy of what its firmware remembers, made with its first start."""
        template = VARIABLES.get(spec.hardware.firmware)
        return self._files.seen(self._files.own_copy(spec.id, "nvram.fd", template)) if template else None

    def _seen(self, guest_id: str, name: str) -> Path:
        return self._files.seen(self._files.path(guest_id, name))

    def _located(self, location: DiskLocation) -> DiskLocation:
        place = location.place
        if isinstance(place, RbdImage):
            return replace(location, place=replace(place, conf=self._files.seen(place.conf)))
        return replace(location, place=self._files.seen(place))


def _guest_seen(found: libvirt.virDomain) -> GuestSeen:
    state, reason = found.state()
    if state == libvirt.VIR_DOMAIN_PAUSED and reason == libvirt.VIR_DOMAIN_PAUSED_STARTING_UP:
        # Not yet a guest: if its start fails now, it must not look like one that stopped by itself.
        return GuestSeen(GuestState.STOPPED, cause="starting")
    paused = state == libvirt.VIR_DOMAIN_PAUSED and reason != libvirt.VIR_DOMAIN_PAUSED_SHUTTING_DOWN
    if state in _ALIVE or state == libvirt.VIR_DOMAIN_PAUSED:
        root = _live(found)
        aliases = _aliases(root)
        files, mirrors = mirrored(root)
        note = root.find(f"metadata/{{{NAMESPACE}}}cpu")
        return GuestSeen(
            GuestState.PAUSED if paused else GuestState.RUNNING,
            disks=frozenset(a.removeprefix(DISK_ALIAS) for a in aliases if a.startswith(DISK_ALIAS)),
            files=files,
            mirrors=mirrors,
            nics=frozenset(a.removeprefix(NIC_ALIAS) for a in aliases if a.startswith(NIC_ALIAS)),
            mhz=int(note.get("mhz", "0")) if note is not None else 0,
            size=_size(root),
            cpu_time_ns=int(found.info()[4]),
            cause=f"libvirt state {state}, reason {reason}",
        )
    if found.hasManagedSaveImage():
        return GuestSeen(GuestState.SUSPENDED, cause="saved")
    crashed = state == libvirt.VIR_DOMAIN_CRASHED or reason in _CRASHES
    return GuestSeen(
        GuestState.CRASHED if crashed else GuestState.STOPPED, cause=f"libvirt state {state}, reason {reason}"
    )


def _size(root: Element) -> GuestSize:
    """What a running guest has, and how far it can grow."""
    cores = root.find("vcpu")
    most = int(cores.text or "0") if cores is not None else 0
    memory_mib = int(root.findtext("memory", "0")) >> 10
    return GuestSize(
        cores=int(cores.get("current", most)) if cores is not None else 0,
        memory_mib=memory_mib,
        cores_max=most,
        memory_mib_max=int(root.findtext("maxMemory", "0")) >> 10 or memory_mib,
    )


def _live(found: libvirt.virDomain) -> Element:
    return fromstring(found.XMLDesc())  # noqa: S314  (libvirt's own output)


def _alias(device: Element) -> str:
    alias = device.find("alias")
    return alias.get("name", "") if alias is not None else ""


def _aliases(root: Element) -> frozenset[str]:
    return frozenset(_alias(device) for device in root.iterfind("devices/*"))


def _agent_is_there(found: libvirt.virDomain) -> bool:
    targets = _live(found).iterfind("devices/channel/target")
    return any(target.get("state") == "connected" for target in targets)


@contextmanager
def _faults(message: str) -> Iterator[None]:
    try:
        yield
    except libvirt.libvirtError as error:
        raise HostFault(message, str(error)) from error


@contextmanager
def _absent_is_fine(more: AbstractSet[int] = frozenset()) -> Iterator[None]:
    """Ignore that the domain is not there: another thread, or the guest itself, may bring that about."""
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() not in _ABSENT | more:
            raise


def _silent(_context: object, _error: object) -> None:
    return
