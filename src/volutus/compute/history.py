"""What was done with a server, by whom, and whether it came to an end: Nova calls these instance actions.

Unlike the audit trail, which records changes of everything, these are for the server's tenant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Row, Text, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from volutus.compute import servers
from volutus.compute.faults import ActionNotFound
from volutus.compute.tables import server_actions, server_stages
from volutus.db import Page, SortKey, Tx, paged
from volutus.identity import Caller

# Actions that end when they are done themselves, not when the server is what it should be: they take their
# own time, whatever else the server is told.
_BY_THEMSELVES = ("createImage", "changePassword", "trigger_crash_dump")


@dataclass(frozen=True)
class ServerAction:
    """`message` is None while it goes on and when it went well."""

    id: int
    server_id: str
    action: str
    request_id: str
    user_id: str | None
    project_id: str | None
    started_at: datetime
    finished_at: datetime | None
    message: str | None


@dataclass(frozen=True)
class Stage:
    """A part of an action; `finished_at` is None while it goes on."""

    name: str
    started_at: datetime
    finished_at: datetime | None


# More than any way of a server has.
STAGES_MAX = 20
_OPEN = server_actions.c.finished_at.is_(None) & server_actions.c.action.notin_(_BY_THEMSELVES)
_REACHED = (
    upsert(server_stages)
    .from_select(
        ["action_id", "name", "started_at"],
        select(
            server_actions.c.id,
            bindparam("stage", type_=Text()),
            bindparam("now", type_=DateTime(timezone=True)),
        ).where(server_actions.c.server_id == bindparam("server"), _OPEN),
    )
    .on_conflict_do_nothing()
)


def reached(tx: Tx, server_id: str, stage: str) -> None:
    """Note that what goes on with the server came to this stage; the first time counts."""
    tx.execute(_REACHED, {"stage": stage, "now": tx.now, "server": server_id})


def stages_of(tx: Tx, action: ServerAction) -> list[Stage]:
    """How long each part of an action took, in order. What came before the first one of a new server was the
    search for a host."""
    rows = tx.rows(
        select(server_stages)
        .where(server_stages.c.action_id == action.id)
        .order_by(server_stages.c.started_at, server_stages.c.name)
        .limit(STAGES_MAX)
    )
    begins = [(row.name, row.started_at) for row in rows]
    if begins and action.action == "create":
        begins.insert(0, ("schedule", action.started_at))
    ends = [begin for _, begin in begins[1:]] + [action.finished_at]
    return [Stage(name, begin, end) for (name, begin), end in zip(begins, ends, strict=False)]


def began(tx: Tx, caller: Caller, server_id: str, action: str, *, finished: bool = False) -> None:
    """Note an action; `finished` for those that are done with the request."""
    began_on_each(tx, caller, [server_id], action, finished=finished)


def began_on_each(
    tx: Tx, caller: Caller, server_ids: Sequence[str], action: str, *, finished: bool = False
) -> None:
    """Note one action of several servers."""
    noted = {
        "action": action,
        "request_id": tx.request_id,
        "user_id": caller.user_id,
        "project_id": caller.project_id,
        "started_at": tx.now,
        "finished_at": tx.now if finished else None,
    }
    if server_ids:
        tx.execute(insert(server_actions).values([{**noted, "server_id": each} for each in server_ids]))


def ended(tx: Tx, server_id: str, message: str | None = None) -> None:
    """The server is what it should be, or failed with `message`: all its open actions are over, but an
    image that is still being made."""
    open_ones = update(server_actions).where(server_actions.c.server_id == server_id, _OPEN)
    tx.execute(open_ones.values(finished_at=tx.now, message=message))


def image_ended(tx: Tx, server_id: str, message: str | None) -> None:
    """The image that was to be made of the server is there, or will not be."""
    one_ended(tx, server_id, "createImage", message)


def one_ended(tx: Tx, server_id: str, action: str, message: str | None) -> None:
    """An action that ends by itself did, or failed with `message`."""
    mine = (server_actions.c.server_id == server_id) & (server_actions.c.action == action)
    open_one = update(server_actions).where(mine, server_actions.c.finished_at.is_(None))
    tx.execute(open_one.values(finished_at=tx.now, message=message))


def list_(tx: Tx, caller: Caller, server_id: str, page: Page) -> list[ServerAction]:
    """A server's actions, newest first; also of one that was deleted. The page's marker is a request id."""
    servers.get(tx, caller, server_id, deleted=True)
    statement = select(server_actions).where(server_actions.c.server_id == server_id)
    newest = Page(page.limit, page.marker, (SortKey("started_at", descending=True),))
    columns = {"started_at": server_actions.c.started_at}
    rows = tx.rows(paged(tx, statement, newest, columns, server_actions.c.request_id))
    return [_action(row) for row in rows]


def get(tx: Tx, caller: Caller, server_id: str, request_id: str) -> ServerAction:
    """The action that a request began. Raises ActionNotFound."""
    servers.get(tx, caller, server_id, deleted=True)
    row = tx.row(
        select(server_actions)
        .where(server_actions.c.server_id == server_id, server_actions.c.request_id == request_id)
        .order_by(server_actions.c.id)
        .limit(1)
    )
    if row is None:
        raise ActionNotFound(f"Action for request_id {request_id} on instance {server_id} not found")
    return _action(row)


def _action(row: Row[Any]) -> ServerAction:
    return ServerAction(**row._mapping)
