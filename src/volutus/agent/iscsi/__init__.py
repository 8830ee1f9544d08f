"""Disks of this host served to initiators outside the cloud by iSCSI, behind one protocol: tgtd, and a
simulated twin.

tgtd reads raw files only, so a QEMU storage daemon opens each disk, whatever its format, and shows it to
tgtd as a raw file. Both daemons know nothing after a start: `Exports.serve` tells them everything, as often
as it is asked to.
"""

from pathlib import Path
from typing import Protocol

from volutus.agent.storage import DiskLocation, Keys
from volutus.wire import ExportSpec


class Exports(Protocol):
    """What serves disks by iSCSI. All calls block, may be made from any thread, and raise HostFault."""

    def exports(self) -> dict[str, ExportSpec | None]:
        """What is served now, as this process made it; None for what is there in part, or was made by an
        earlier process."""
        ...

    def serve(self, spec: ExportSpec, location: DiskLocation, keys: Keys) -> None:
        """Serve a disk that nobody has open. Sessions of one that is served already go on."""
        ...

    def copy_disk(self, export_id: str, target: Path, *, encrypted: bool) -> None:
        """Copy the disk, as it is at one instant, into an empty qcow2 file of its size, which has the same
        key if it is `encrypted`."""
        ...

    def drop(self, export_id: str) -> None:
        """Serve it no longer: its sessions and copies are cut, and the disk is closed when this returns."""
        ...
