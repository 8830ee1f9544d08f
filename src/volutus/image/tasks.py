"""Tasks: what became of each import, kept for some time after the image itself may be gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, true, update

from volutus.db import Page, Tx, paged
from volutus.identity import Caller
from volutus.image import faults
from volutus.image.tables import tasks as table

STATES = ("pending", "processing", "success", "failure")
# Glance's own default: two days after its end nobody asks how an import went.
KEPT = timedelta(hours=48)
PER_IMAGE_MAX = 100
_SORTED = {name: table.c[name] for name in ("id", "type", "created_at", "updated_at")} | {
    "status": table.c.state
}


@dataclass(frozen=True)
class Task:
    """One import. `type` is `api_image_import` where it was asked for at the image itself, `import` where an
    administrator made a task; `input` is what was asked for, in the words of the API."""

    id: str
    type: str
    image_id: str | None
    owner: str | None
    user_id: str | None
    request_id: str
    input: Mapping[str, Any]
    state: str
    message: str
    created_at: datetime
    updated_at: datetime

    @property
    def expires_at(self) -> datetime | None:
        """When it is forgotten; None while it is under way."""
        return self.updated_at + KEPT if self.is_over else None

    @property
    def is_over(self) -> bool:
        return self.state in ("success", "failure")


@dataclass(frozen=True)
class TaskFilter:
    """All that is set must hold."""

    state: str | None = None
    type: str | None = None


def start(
    tx: Tx, caller: Caller, image_id: str, owner: str | None, kind: str, asked: Mapping[str, Any]
) -> Task:
    """A new task, pending."""
    values = {
        "id": tx.ids.uuid(),
        "type": kind,
        "image_id": image_id,
        "owner": owner,
        "user_id": caller.user_id,
        "request_id": tx.request_id,
        "input": dict(asked),
        "state": "pending",
        "created_at": tx.now,
        "updated_at": tx.now,
    }
    row = tx.row(insert(table).values(values).returning(table))
    assert row is not None
    return _task(row)


def move(tx: Tx, task_id: str, state: str, message: str = "") -> None:
    """Say how far a task is. What is over stays as it ended."""
    tx.execute(
        update(table)
        .where(table.c.id == task_id, table.c.state.in_(("pending", "processing")))
        .values(state=state, message=message, updated_at=tx.now)
    )


def get(tx: Tx, caller: Caller, task_id: str) -> Task:
    """The task, if it is of the caller's project."""
    mine = true() if caller.is_admin else table.c.owner == (caller.project_id or "")
    row = tx.row(select(table).where(table.c.id == task_id, mine).limit(1))
    if row is None:
        raise faults.TaskNotFound(f"Task not found for task_id={task_id}")
    return _task(row)


def page(tx: Tx, caller: Caller, wanted: TaskFilter, cut: Page) -> list[Task]:
    """The tasks of the caller's project, an administrator's: of all."""
    statement = select(table)
    if not caller.is_admin:
        statement = statement.where(table.c.owner == (caller.project_id or ""))
    if wanted.state is not None:
        statement = statement.where(table.c.state == wanted.state)
    if wanted.type is not None:
        statement = statement.where(table.c.type == wanted.type)
    return [_task(row) for row in tx.rows(paged(tx, statement, cut, _SORTED, table.c.id))]


def of_image(tx: Tx, image_id: str) -> list[Task]:
    """The tasks of an image that the caller was found to see, oldest first."""
    statement = select(table).where(table.c.image_id == image_id).order_by(table.c.created_at)
    return [_task(row) for row in tx.rows(statement.limit(PER_IMAGE_MAX))]


def read(tx: Tx, task_id: str) -> Task | None:
    """The task, for the cloud itself."""
    row = tx.row(select(table).where(table.c.id == task_id).limit(1))
    return None if row is None else _task(row)


def unfinished(tx: Tx, limit: int) -> list[str]:
    """Ids of tasks that somebody must carry out, oldest first."""
    open_ones = or_(table.c.state == "pending", table.c.state == "processing")
    rows = tx.rows(select(table.c.id).where(open_ones).order_by(table.c.created_at).limit(limit))
    return [row.id for row in rows]


def forget_old(tx: Tx) -> None:
    """Delete what ended long ago."""
    over = table.c.state.in_(("success", "failure"))
    tx.execute(delete(table).where(over, table.c.updated_at < tx.now - KEPT))


def _task(row: Row[Any]) -> Task:
    return Task(**row._mapping)
