"""Copies of disks that a guest has open, each as it is at one instant, by QEMU's backup job.

Before the guest overwrites what is not yet copied, QEMU copies it: so the instant is that of the job's begin,
however long it takes. libvirt has one such job for a guest at a time, and keeps it over a restart of ours.
"""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

import libvirt

from volutus.agent.faults import HostFault

POLL_S = 0.2
# As long as qemu-img may take for a disk that nobody has open.
COPY_TIMEOUT_S = 3600.0
ABORT_TIMEOUT_S = 30.0
# A guest agent that does not answer within this is as good as none.
GUEST_AGENT_TIMEOUT_S = 5


class Backups:
    """One guest's copies are made one after another; each call blocks until its copy is whole."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._turns: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def copy(self, found: libvirt.virDomain, alias: str, target: Path) -> None:
        """Copy the disk of this alias into a qcow2 file that is there, as QEMU sees it. Raises HostFault."""
        with self._guard:
            turn = self._turns[found.UUIDString()]
        with turn:
            _end_left_over(found)
            with at_rest(found):
                found.backupBegin(
                    _order(found, alias, target), None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL
                )
            _await(found)


def _order(found: libvirt.virDomain, alias: str, target: Path) -> str:
    order = Element("domainbackup", mode="push")
    disks = SubElement(order, "disks")
    named = False
    root = fromstring(found.XMLDesc())  # noqa: S314  (libvirt's own output)
    for disk in root.iterfind("devices/disk"):
        device, note = disk.find("target"), disk.find("alias")
        if device is None:
            continue
        wanted = note is not None and note.get("name") == alias
        one = SubElement(disks, "disk", name=device.get("dev", ""), backup="yes" if wanted else "no")
        if wanted:
            named = True
            one.set("type", "file")
            SubElement(one, "driver", type="qcow2")
            place = SubElement(one, "target", file=str(target))
            # A copy of an encrypted disk has the same key.
            place.extend(disk.findall("source/encryption"))
    if not named:
        raise HostFault("The disk is not plugged into the guest.")
    return tostring(order, encoding="unicode")


@contextmanager
def at_rest(found: libvirt.virDomain) -> Iterator[None]:
    """The guest's file systems written out and still, if its agent helps; else a copy made meanwhile is as
    after a loss of power, which file systems survive."""
    frozen = False
    with contextlib.suppress(libvirt.libvirtError):
        found.agentSetResponseTimeout(GUEST_AGENT_TIMEOUT_S)
        found.fsFreeze()
        frozen = True
    try:
        yield
    finally:
        if frozen:
            with contextlib.suppress(libvirt.libvirtError):
                found.fsThaw()


def _await(found: libvirt.virDomain) -> None:
    deadline = time.monotonic() + COPY_TIMEOUT_S
    while _busy(found):
        if time.monotonic() > deadline:
            found.abortJob()
            raise HostFault("The guest's disk was not copied in time.")
        time.sleep(POLL_S)
    # libvirt's own record of the last job: without it a copy that was cut off could pass for a whole one.
    done = found.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    if done.get("type") != libvirt.VIR_DOMAIN_JOB_COMPLETED:
        raise HostFault("The guest's disk could not be copied.", str(done.get("errmsg", done)))


def _end_left_over(found: libvirt.virDomain) -> None:
    """A job of an agent that died: its file is gone."""
    deadline = time.monotonic() + ABORT_TIMEOUT_S
    while _busy(found):
        with contextlib.suppress(libvirt.libvirtError):
            found.abortJob()
        if time.monotonic() > deadline:
            raise HostFault("An older copy of the guest's disks does not end.")
        time.sleep(POLL_S)


def _busy(found: libvirt.virDomain) -> bool:
    """Whether a backup goes on. A guest that ended has none: asking for the outcome then says so."""
    return bool(found.jobInfo()[0] not in (libvirt.VIR_DOMAIN_JOB_NONE, libvirt.VIR_DOMAIN_JOB_COMPLETED))
