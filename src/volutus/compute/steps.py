"""What a server may be on its way to besides being switched on and off: another size, a rescue system, the
shelf. It goes one such way at a time, and `step` says how far it has come.

Each way rests somewhere (`resized`, `rescued`, `shelved`) until its tenant says how to go on; every other
step has a deadline.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from volutus.compute import history, servers
from volutus.compute.servers import Server
from volutus.db import Tx

# A step may copy a whole disk to the image store.
STEP_DEADLINE = timedelta(minutes=60)


class Step(StrEnum):
    """In the order in which they are passed."""

    RESIZE_STOP = "resize_stop"
    RESIZE_START = "resize_start"
    RESIZED = "resized"
    REVERT_STOP = "revert_stop"
    REVERT_START = "revert_start"
    RESCUE_DISK = "rescue_disk"
    RESCUE_START = "rescue_start"
    RESCUED = "rescued"
    UNRESCUE_START = "unrescue_start"
    YIELD = "yield"
    SHELVE_STOP = "shelve_stop"
    SHELVE_IMAGE = "shelve_image"
    SHELVE_REMOVE = "shelve_remove"
    SHELVED = "shelved"
    UNSHELVE = "unshelve"


RESTING = frozenset({Step.RESIZED, Step.RESCUED, Step.SHELVED})
# Steps in which the guest is off, whatever it is to be afterwards.
HELD_OFF = frozenset({Step.RESIZE_STOP, Step.REVERT_STOP, Step.SHELVE_STOP, Step.SHELVE_IMAGE})


def step_of(server: Server) -> Step | None:
    """The step a server has come to."""
    return Step(server.step) if server.step is not None else None


def enter(
    tx: Tx, server_id: str, step: Step | None, data: Mapping[str, Any] | None = None, **values: Any
) -> None:
    """Go on to a step; None is the end of the way. `data` is what the way has to remember."""
    since = tx.now if step is not None else None
    if data is not None or step is None:
        values["step_data"] = dict(data or {})
    servers.write(tx, server_id, step=step.value if step else None, step_since=since, **values)


def arrive(tx: Tx, server_id: str, step: Step | None, message: str | None = None, **values: Any) -> None:
    """Come to rest: what was asked for is done, or is not done because of `message`."""
    enter(tx, server_id, step, **values)
    history.ended(tx, server_id, message)


def is_late(tx: Tx, server: Server) -> bool:
    """Whether a step takes longer than anything it waits for should."""
    step = step_of(server)
    if step is None or step in RESTING or server.step_since is None:
        return False
    return tx.now - server.step_since > STEP_DEADLINE
