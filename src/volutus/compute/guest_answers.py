"""How commands to guests end: by what the host answers, or by their deadline."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete

from volutus.compute import history
from volutus.compute.tables import guest_commands
from volutus.db import Tx
from volutus.wire import CommandAnswer

# A guest agent answers in seconds or never.
DEADLINE = timedelta(seconds=60)


def answered(tx: Tx, host_id: str, answers: Sequence[CommandAnswer]) -> None:
    """The host did what it was told, or could not."""
    for answer in answers:
        mine = (guest_commands.c.id == answer.id) & (guest_commands.c.host_id == host_id)
        row = tx.row(delete(guest_commands).where(mine).returning(guest_commands))
        if row is not None:
            history.one_ended(tx, row.server_id, row.action, answer.fault)


def expire(tx: Tx) -> None:
    """End what no host answered in time."""
    late = guest_commands.c.ordered_at < tx.now - DEADLINE
    for row in tx.rows(delete(guest_commands).where(late).returning(guest_commands)):
        history.one_ended(tx, row.server_id, row.action, "The server's host did not answer in time.")
