"""Disks that a guest has open and that move to another file, by QEMU's mirror job.

What the guest writes goes to both files before it is told that it is written, so the job comes to an end
however much it writes. libvirt keeps the job over a restart of ours, and says of each how far it is.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

import libvirt

from volutus.agent.faults import HostFault
from volutus.agent.hypervisor.domain_xml import DISK_ALIAS, encryption
from volutus.agent.state import GuestSeen
from volutus.agent.storage import DiskLocation
from volutus.wire import GuestState

_BEGIN = (
    libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT
    | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
    | libvirt.VIR_DOMAIN_BLOCK_COPY_SYNCHRONOUS_WRITES
)
_COPYING, _ALIKE = "copy", "yes"


class Mirrors:
    """The moves of all guests. Guests held for the instant in which they go over are not seen as paused."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: set[str] = set()

    def seen(self, guest_id: str, guest: GuestSeen) -> GuestSeen:
        """The guest as it is but for being held."""
        with self._guard:
            held = guest_id in self._held and guest.state is GuestState.PAUSED
        return replace(guest, state=GuestState.RUNNING) if held else guest

    def begin(self, found: libvirt.virDomain, disk_id: str, target: DiskLocation) -> None:
        """Begin to copy to a file that is there, as QEMU sees it."""
        disk = _disk(found, disk_id)
        if disk.find("mirror") is not None:
            raise HostFault("The guest's disk is being moved elsewhere.")
        place = Element("disk", type="file", device="disk")
        SubElement(place, "driver", name="qemu", type=target.format)
        source = SubElement(place, "source", file=str(target.place))
        if target.encrypted:
            source.append(encryption(disk_id))
        found.blockCopy(_device(disk), tostring(place, encoding="unicode"), {}, _BEGIN)

    def end(self, found: libvirt.virDomain, disk_id: str, file: str, commit: Callable[[], None]) -> None:
        """Go over to the file of that name."""
        guest_id = found.UUIDString()
        with self._guard:
            self._held.add(guest_id)
        try:
            runs = found.state()[0] != libvirt.VIR_DOMAIN_PAUSED
            if runs:
                found.suspend()
            try:
                self._go_over(found, disk_id, file)
            except (libvirt.libvirtError, HostFault):
                if runs and _file(_disk(found, disk_id)) != file:
                    found.resume()
                raise
            commit()
            if runs:
                found.resume()
        finally:
            with self._guard:
                self._held.discard(guest_id)

    def abort(self, found: libvirt.virDomain, disk_id: str) -> None:
        """End a copy, if there is one; the guest stays with the file that it has."""
        disk = _find(found, disk_id)
        if disk is not None and disk.find("mirror") is not None:
            found.blockJobAbort(_device(disk), 0)

    def _go_over(self, found: libvirt.virDomain, disk_id: str, file: str) -> None:
        disk = _disk(found, disk_id)
        # Held, the guest writes no more: what is left is copied, and written out, before QEMU goes over.
        if disk.find("mirror") is not None:
            found.blockJobAbort(_device(disk), libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
            disk = _disk(found, disk_id)
        if _file(disk) != file:
            raise HostFault("The copy of the guest's disk ended before its time.", _file(disk))


def mirrored(root: Element) -> tuple[dict[str, str], dict[str, bool]]:
    """Of a running guest: the names of its disks' files, and which are being moved, with whether both files
    are alike."""
    files, mirrors = {}, {}
    for disk in root.iterfind("devices/disk"):
        name = _alias(disk)
        if name.startswith(DISK_ALIAS):
            disk_id, mirror = name.removeprefix(DISK_ALIAS), disk.find("mirror")
            files[disk_id] = _file(disk)
            if mirror is not None and mirror.get("job") == _COPYING:
                mirrors[disk_id] = mirror.get("ready") == _ALIKE
    return files, mirrors


def _find(found: libvirt.virDomain, disk_id: str) -> Element | None:
    root = fromstring(found.XMLDesc())  # noqa: S314  (libvirt's own output)
    mine = [disk for disk in root.iterfind("devices/disk") if _alias(disk) == DISK_ALIAS + disk_id]
    return mine[0] if mine else None


def _disk(found: libvirt.virDomain, disk_id: str) -> Element:
    disk = _find(found, disk_id)
    if disk is None:
        raise HostFault("The disk is not plugged into the guest.")
    return disk


def _alias(disk: Element) -> str:
    alias = disk.find("alias")
    return alias.get("name", "") if alias is not None else ""


def _device(disk: Element) -> str:
    target = disk.find("target")
    return target.get("dev", "") if target is not None else ""


def _file(disk: Element) -> str:
    source = disk.find("source")
    return PurePath(source.get("file") or source.get("name") or "").name if source is not None else ""
