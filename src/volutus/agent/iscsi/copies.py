"""Copies of disks that are exported, each as it is at one instant, by the storage daemon's backup job.

Before an initiator overwrites what is not yet copied, the daemon copies it: so the instant is that of the
job's begin, however long it takes.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from volutus.agent.faults import HostFault
from volutus.agent.iscsi.monitor import Monitor

POLL_S = 0.2
# As long as qemu-img may take for a disk that nobody has open.
COPY_TIMEOUT_S = 3600.0
END_TIMEOUT_S = 30.0
_DONE = ("concluded", "null")
MESSAGE = "The exported disk could not be copied."

Open = Callable[[], AbstractContextManager[Monitor]]
"""Opens a session; it is not held meanwhile, for the daemon hears one at a time."""


def copy(opened: Open, node: str, target: Path, *, encrypted: bool) -> None:
    """Copy the disk `node` into a qcow2 file that is there, with the same key. Raises HostFault."""
    job, copied = _job(node), _copied(node)
    with opened() as session:
        end(session, node)
        disk: dict[str, Any] = {
            "driver": "qcow2",
            "node-name": copied,
            "discard": "unmap",
            "detect-zeroes": "unmap",
            "file": {"driver": "file", "filename": str(target)},
        }
        if encrypted:
            disk["encrypt"] = {"format": "luks", "key-secret": node}
        session.ask("blockdev-add", **disk)
        order = {"job-id": job, "device": node, "target": copied, "sync": "full", "auto-dismiss": False}
        session.ask("blockdev-backup", **order)
    deadline = time.monotonic() + COPY_TIMEOUT_S
    while True:
        with opened() as session:
            found = _state(session, job)
            # Its result goes with it: none is as bad as a failed one.
            if found is None or found["status"] in _DONE:
                error = found.get("error") if found else "it was cut off"
                end(session, node)
                break
            if time.monotonic() > deadline:
                end(session, node)
                raise HostFault(MESSAGE, "not in time")
        time.sleep(POLL_S)
    if error:
        raise HostFault(MESSAGE, error)


def end(session: Monitor, node: str) -> None:
    """End a copy, whole or not, and close its file; nothing happens where there is none."""
    job, deadline = _job(node), time.monotonic() + END_TIMEOUT_S
    while (found := _state(session, job)) is not None:
        if found["status"] == "concluded":
            session.forget("job-dismiss", id=job)
            continue
        # It may end by itself in between.
        with suppress(HostFault):
            session.ask("block-job-cancel", device=job, force=True)
        if time.monotonic() > deadline:
            raise HostFault(MESSAGE, "an older copy does not end")
        time.sleep(POLL_S)
    session.forget("blockdev-del", **{"node-name": _copied(node)})


def _state(session: Monitor, job: str) -> dict[str, Any] | None:
    jobs: list[dict[str, Any]] = session.ask("query-jobs")
    return next((one for one in jobs if one["id"] == job), None)


def _job(node: str) -> str:
    return f"copy-{node}"


def _copied(node: str) -> str:
    return f"c{node[1:]}"
