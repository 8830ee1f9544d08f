"""Copies of a disk that a running guest writes to: as the disk was at the instant the copy began.

QEMU does it, which alone knows what has not reached the file yet; anybody else who reads the file of a disk
that is open gets a torn copy. Whether what the copy holds is consistent is the guest's matter, as after a
power cut.
"""

import threading
import time
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

import libvirt

from volutus.agent.faults import HostFault

_POLL_S = 0.2


def order(disks: list[str], target: str, copy: Path) -> str:
    """The request to libvirt: all disks of the guest by target name, so that no other is copied."""
    root = Element("domainbackup", mode="push")
    listed = SubElement(root, "disks")
    for name in disks:
        if name != target:
            SubElement(listed, "disk", name=name, backup="no")
            continue
        disk = SubElement(listed, "disk", name=name, backup="yes", type="file")
        SubElement(disk, "driver", type="qcow2")
        SubElement(disk, "target", file=str(copy))
    return tostring(root, encoding="unicode")


def run(found: libvirt.virDomain, request: str, timeout_s: float) -> None:
    """Copy into a file that exists and has the size of the disk. Raises HostFault and libvirtError."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    if found.jobStats()["type"] != libvirt.VIR_DOMAIN_JOB_NONE:
        # Left by an agent that ended meanwhile; nobody wants its copy any more.
        found.abortJob()
    found.backupBegin(request, None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL)
    while found.jobStats()["type"] != libvirt.VIR_DOMAIN_JOB_NONE:
        if time.monotonic() > deadline:
            found.abortJob()
            raise HostFault("The disk could not be copied in time.")
        pause.wait(_POLL_S)
    ended = found.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    if ended["type"] != libvirt.VIR_DOMAIN_JOB_COMPLETED or not ended.get("success", True):
        raise HostFault("The disk could not be copied.", str(ended.get("errmsg", "")))
