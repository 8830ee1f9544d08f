"""What a process remembers of identity, and how it knows that it still holds.

Each request asks the database one cheap question: has any transaction that changes what tokens stand for
committed since the snapshot in which I began to remember? Triggers note such transactions in
`identity_change`. If none has, all that was read since is still true; if one has, everything is forgotten. So
a revocation counts from the next request on, on every process, and the dear statements run once a change
instead of three times a request.

Snapshots, not counters: a counter raised by a transaction that commits late would be seen before what it
announces, and one that is locked until then would put all changes in a line.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from sqlalchemy import text

from volutus.db import Tx

T = TypeVar("T")

# Far less than the hour for which changes are noted.
HELD_FOR = timedelta(minutes=10)
# About 5 KiB each for an answer with its catalog.
THINGS_MAX = 4096
_LOOK = text("""
SELECT CAST(pg_current_snapshot() AS text) AS snapshot, EXISTS (
    SELECT FROM identity_change
    WHERE xid >= pg_snapshot_xmin(CAST(:seen AS pg_snapshot))
        AND NOT pg_visible_in_snapshot(xid, CAST(:seen AS pg_snapshot))
) AS changed, pg_current_xact_id_if_assigned() IS NOT NULL AS writing
""")
# Before any transaction: all of them came later.
_NOTHING_SEEN = "3:3:"
_NOTE = "identity.view"


@dataclass
class View:
    """What was read since `snapshot`. Threads share it; that two read the same at once does no harm."""

    snapshot: str
    began_at: datetime | None
    things: dict[Hashable, Any] = field(default_factory=dict)

    def recall(self, key: Hashable, read: Callable[[], T]) -> T:
        """What is remembered under the key, or what `read` says, which is kept."""
        if key in self.things:
            return cast(T, self.things[key])
        found = read()
        if len(self.things) >= THINGS_MAX:
            self.things.clear()
        self.things[key] = found
        return found


class Memory:
    """One process's. `view` costs one statement."""

    def __init__(self) -> None:
        self._view = View(_NOTHING_SEEN, None)

    def view(self, tx: Tx) -> View:
        """What may be believed at this moment. Asked again before the request has sent another statement, it
        is the same moment."""
        noted = tx.notes.get(_NOTE)
        if noted is not None and noted[1] == tx.statements:
            return cast(View, noted[0])
        view = self._look(tx)
        tx.notes[_NOTE] = (view, tx.statements)
        return view

    def _look(self, tx: Tx) -> View:
        view = self._view
        row = tx.row(_LOOK, {"seen": view.snapshot})
        assert row is not None
        if row.writing:
            # It sees its own changes, which nobody else may believe before the commit; and a snapshot does
            # not say of its own transaction that it was still under way, so the change would go unnoticed.
            return View(row.snapshot, tx.now)
        if row.changed or view.began_at is None or tx.now - view.began_at > HELD_FOR:
            # Taken before anything is read into it: a change in between is seen as one the next time.
            view = self._view = View(row.snapshot, tx.now)
        return view
