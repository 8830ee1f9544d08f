"""Taking servers to other hosts: not offered, because a server's disks are files of its host. It is said so.

What Nova lists as migrations are resizes here, which stay on their host.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from volutus.compute import actions
from volutus.compute.tables import guests, server_actions, servers
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller

# The newest ones; older are in the servers' own histories.
MIGRATIONS_MAX = 1000
# The states in which each could be done at all.
_STATES = {
    "migrate": frozenset({"active", "stopped"}),
    "os-migrateLive": frozenset({"active", "paused"}),
    "evacuate": frozenset({"active", "stopped", "error"}),
    "restore": frozenset({"soft-delete"}),
}


@dataclass(frozen=True)
class Migration:
    """One resize; `host` is where the server is, None when that is no longer known."""

    id: int
    server_id: str
    host: str | None
    status: str
    user_id: str | None
    project_id: str | None
    started_at: datetime
    finished_at: datetime | None


def refuse(tx: Tx, caller: Caller, server_id: str, action: str) -> None:
    """Say why not. Raises NotFound, WrongState, Invalid."""
    actions.changeable(tx, caller, server_id, action, _STATES[action])
    raise Invalid(
        "No valid host was found: the server's disks are stored on its host, and no other host can take it."
    )


def list_(tx: Tx) -> Sequence[Migration]:
    """The resizes of all servers, newest first."""
    rows = tx.rows(
        select(server_actions, guests.c.host_name, servers.c.step)
        .select_from(
            server_actions.join(servers, servers.c.id == server_actions.c.server_id).outerjoin(
                guests, guests.c.server_id == servers.c.id
            )
        )
        .where(server_actions.c.action == "resize")
        .order_by(server_actions.c.id.desc())
        .limit(MIGRATIONS_MAX)
    )
    return [
        Migration(
            id=row.id,
            server_id=row.server_id,
            host=row.host_name,
            status=_status(row.finished_at, row.message, row.step),
            user_id=row.user_id,
            project_id=row.project_id,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )
        for row in rows
    ]


def _status(finished_at: datetime | None, message: str | None, step: str | None) -> str:
    if finished_at is None:
        return "migrating"
    if message is not None:
        return "error"
    return "finished" if step == "resized" else "confirmed"
