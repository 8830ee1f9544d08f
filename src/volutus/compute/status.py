"""What a tenant is told of a server: computed here from what should be and what is seen, stored nowhere.

`conditions` is one ordered table of rules. It is read twice: by Python for one server, and as SQL (the list
filters by status) through the same rows, so the two cannot drift apart. The words are OpenStack's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_

from volutus.compute.tables import guests, servers


class PowerState(Enum):
    """Nova's numbers."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


@dataclass(frozen=True)
class Facts:
    """Both sides of a server. `placed` and `assigned` tell how far building has come; `seen` is the guest's
    state as its host reported it, None before the first report; `caught_up` that the host carried out the
    newest order about the guest."""

    power: str = "on"
    soft_reboots: int = 0
    hard_reboots: int = 0
    deleting: bool = False
    deleted: bool = False
    faulted: bool = False
    launched: bool = False
    rebuilding: bool = False
    image_task: str | None = None
    step: str | None = None
    placed: bool = False
    assigned: bool = False
    seen: str | None = None
    soft_done: int = 0
    hard_done: int = 0


@dataclass(frozen=True)
class Status:
    """`name` is what the API calls status; `vm_state` is where the server is, `task_state` what it is
    changing to, None when nothing is under way."""

    name: str
    vm_state: str
    task_state: str | None
    power_state: PowerState


_POWER = {
    "running": PowerState.RUNNING,
    "paused": PowerState.PAUSED,
    "stopped": PowerState.SHUTDOWN,
    "crashed": PowerState.CRASHED,
    "suspended": PowerState.SHUTDOWN,
}


# Where a server is that is on its way to another shape: see `steps`.
_STEPS: Mapping[str, tuple[str, str, str | None]] = {
    "resize_stop": ("RESIZE", "active", "resize_migrating"),
    "resize_start": ("RESIZE", "active", "resize_finish"),
    "resized": ("VERIFY_RESIZE", "resized", None),
    "revert_stop": ("REVERT_RESIZE", "resized", "resize_reverting"),
    "revert_start": ("REVERT_RESIZE", "resized", "resize_reverting"),
    "rescue_disk": ("ACTIVE", "active", "rescuing"),
    "rescue_start": ("ACTIVE", "active", "rescuing"),
    "rescued": ("RESCUE", "rescued", None),
    "unrescue_start": ("RESCUE", "rescued", "unrescuing"),
    "yield": ("ACTIVE", "active", "shelving"),
    "shelve_stop": ("ACTIVE", "active", "shelving"),
    "shelve_image": ("SHUTOFF", "stopped", "shelving_image_uploading"),
    "shelve_remove": ("SHELVED", "shelved", "shelving_offloading"),
    "shelved": ("SHELVED_OFFLOADED", "shelved_offloaded", None),
    "unshelve": ("SHELVED_OFFLOADED", "shelved_offloaded", "unshelving"),
}
# Most servers of a list have the same facts, or nearly so.
FACTS_MAX = 1000
# Before anything has happened.
_FIRST: tuple[str, str, str | None] = ("BUILD", "building", "scheduling")


@dataclass(frozen=True)
class _Sides:
    """The facts as something to build conditions of: plain values, or columns."""

    power: Any
    soft_wanted: Any
    soft_done: Any
    hard_wanted: Any
    hard_done: Any
    deleted: Any
    faulted: Any
    launched: Any
    rebuilding: Any
    step: Any
    placed: Any
    assigned: Any
    seen: Any


def _conditions(side: _Sides, both: Any) -> Sequence[tuple[Any, Any, Any, Any]]:
    """The first condition that holds decides: (condition, status, vm_state, task_state). `both` is `and`."""
    launched, on = side.launched, side.power == "on"
    off, held = side.power == "off", side.power == "paused"
    saved = side.power == "suspended"
    return (
        (side.deleted, "DELETED", "deleted", None),
        (side.faulted, "ERROR", "error", None),
        (side.seen == "failed", "ERROR", "error", None),
        *((side.step == step, *shown) for step, shown in _STEPS.items()),
        (both(launched, side.rebuilding), "REBUILD", "active", "rebuilding"),
        (
            both(launched, on, side.hard_done < side.hard_wanted),
            "HARD_REBOOT",
            "active",
            "reboot_started_hard",
        ),
        (both(launched, on, side.soft_done < side.soft_wanted), "REBOOT", "active", "reboot_started"),
        (both(launched, on, side.seen == "running"), "ACTIVE", "active", None),
        (both(launched, on, side.seen == "paused"), "PAUSED", "paused", None),
        (both(launched, on, side.seen == "suspended"), "SUSPENDED", "suspended", "resuming"),
        (both(launched, saved, side.seen == "suspended"), "SUSPENDED", "suspended", None),
        (both(launched, saved, side.seen == "running"), "ACTIVE", "active", "suspending"),
        (both(launched, on), "SHUTOFF", "stopped", "powering-on"),
        (both(launched, off, side.seen == "running"), "ACTIVE", "active", "powering-off"),
        (both(launched, off, side.seen == "paused"), "PAUSED", "paused", "powering-off"),
        (both(launched, held, side.seen == "paused"), "PAUSED", "paused", None),
        (both(launched, held, side.seen == "running"), "ACTIVE", "active", "pausing"),
        (launched, "SHUTOFF", "stopped", None),
        (side.assigned, "BUILD", "building", "spawning"),
        (side.placed, "BUILD", "building", "networking"),
    )


@lru_cache(maxsize=FACTS_MAX)
def status_of(facts: Facts) -> Status:
    """The status of one server."""
    side = _Sides(
        power=facts.power,
        soft_wanted=facts.soft_reboots,
        soft_done=facts.soft_done,
        hard_wanted=facts.hard_reboots,
        hard_done=facts.hard_done,
        deleted=facts.deleted,
        faulted=facts.faulted,
        launched=facts.launched,
        rebuilding=facts.rebuilding,
        step=facts.step,
        placed=facts.placed,
        assigned=facts.assigned,
        seen=facts.seen,
    )
    name, vm_state, task = _FIRST
    for holds, *found in _conditions(side, lambda *parts: all(parts)):
        if holds:
            name, vm_state, task = found
            break
    task = task or facts.image_task
    if facts.deleting and not facts.deleted:
        task = "deleting"
    power = PowerState.NOSTATE if facts.deleted else _POWER.get(facts.seen or "", PowerState.NOSTATE)
    return Status(name, vm_state, task, power)


def status_column(word: str = "name") -> ColumnElement[Any]:
    """The status (`name`), `vm_state` or `task_state` as SQL over servers left-joined with guests."""
    side = _Sides(
        power=servers.c.power,
        soft_wanted=servers.c.soft_reboots,
        soft_done=func.coalesce(guests.c.soft_reboots, 0),
        hard_wanted=servers.c.hard_reboots,
        hard_done=func.coalesce(guests.c.hard_reboots, 0),
        deleted=servers.c.deleted_at.isnot(None),
        faulted=servers.c.fault_code.isnot(None),
        launched=or_(servers.c.launched_at.isnot(None), guests.c.launched_at.isnot(None)),
        rebuilding=or_(
            servers.c.rebuilt < servers.c.rebuilds,
            and_(
                servers.c.launched_at.isnot(None),
                guests.c.launched_at.is_(None),
                servers.c.rebuilds > 0,
                servers.c.power == "on",
            ),
        ),
        step=func.coalesce(servers.c.step, ""),
        placed=guests.c.server_id.isnot(None),
        assigned=guests.c.assigned_at.isnot(None),
        seen=func.coalesce(guests.c.state, ""),
    )
    position = {"name": 1, "vm_state": 2, "task_state": 3}[word]
    rules = [(rule[0], literal(rule[position])) for rule in _conditions(side, and_)]
    column: ColumnElement[Any] = case(*rules, else_=literal(_FIRST[position - 1]))
    if word == "task_state":
        column = func.coalesce(column, servers.c.image_task)
        deleting = and_(servers.c.delete_asked_at.isnot(None), servers.c.deleted_at.is_(None))
        column = case((deleting, literal("deleting")), else_=column)
    return column


# Statuses that a filter may name; unknown ones match nothing, as in Nova.
STATUSES = frozenset(
    {
        "ACTIVE",
        "BUILD",
        "DELETED",
        "ERROR",
        "HARD_REBOOT",
        "PAUSED",
        "REBOOT",
        "REBUILD",
        "RESCUE",
        "RESIZE",
        "REVERT_RESIZE",
        "SHELVED",
        "SHELVED_OFFLOADED",
        "SHUTOFF",
        "SOFT_DELETED",
        "SUSPENDED",
        "VERIFY_RESIZE",
    }
)
