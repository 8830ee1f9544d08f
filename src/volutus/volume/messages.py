"""What went wrong with a tenant's volumes, in words for the tenant, kept for a while."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, select, text

from volutus import audit
from volutus.db import Page, Tx, paged
from volutus.identity import Caller
from volutus.volume.faults import MessageNotFound
from volutus.volume.tables import messages

# Cinder's own lifetime: 30 days.
LIFETIME = timedelta(days=30)


@dataclass(frozen=True)
class Message:
    """`event` is what was tried: `create`, `extend`, `delete`; `resource_type` is `VOLUME` or
    `VOLUME_SNAPSHOT`."""

    id: str
    project_id: str
    resource_type: str
    resource_id: str
    event: str
    message: str
    request_id: str
    created_at: datetime
    expires_at: datetime


_RECORD = text(
    """
    INSERT INTO volume_messages
        (id, project_id, resource_type, resource_id, event, message, request_id, created_at, expires_at)
    SELECT m.id, coalesce(v.project_id, s.project_id),
           CASE WHEN v.id IS NULL THEN 'VOLUME_SNAPSHOT' ELSE 'VOLUME' END,
           m.disk_id, m.event, m.message, :request_id, :now, :expires_at
    FROM unnest(CAST(:ids AS text[]), CAST(:disks AS text[]), CAST(:events AS text[]),
                CAST(:messages AS text[])) AS m(id, disk_id, event, message)
    LEFT JOIN volumes v ON v.id = m.disk_id AND v.server_id IS NULL
    LEFT JOIN volume_snapshots s ON s.id = m.disk_id
    WHERE coalesce(v.id, s.id) IS NOT NULL
    """
)
_SORTABLE = {
    "id": messages.c.id,
    "created_at": messages.c.created_at,
    "event_id": messages.c.event,
    "resource_type": messages.c.resource_type,
    "resource_uuid": messages.c.resource_id,
    "request_id": messages.c.request_id,
}


def record(tx: Tx, events: Sequence[tuple[str, str, str]]) -> None:
    """Note (disk id, event, message) for the owner; disks that are a server's own are told there. Old
    messages go on the same occasion."""
    if not events:
        return
    tx.execute(
        _RECORD,
        {
            "ids": [tx.ids.uuid() for _ in events],
            "disks": [disk_id for disk_id, _, _ in events],
            "events": [event for _, event, _ in events],
            "messages": [message for _, _, message in events],
            "request_id": tx.request_id,
            "now": tx.now,
            "expires_at": tx.now + LIFETIME,
        },
    )
    tx.execute(delete(messages).where(messages.c.expires_at <= tx.now))


def list_(tx: Tx, caller: Caller, page: Page, *, everyones: bool = False) -> list[Message]:
    """The project's messages that have not expired; an administrator may ask for everyone's."""
    statement = select(messages).where(messages.c.expires_at > tx.now)
    if not (everyones and caller.is_admin):
        statement = statement.where(messages.c.project_id == caller.own_project())
    return [_message(row) for row in tx.rows(paged(tx, statement, page, _SORTABLE, messages.c.id))]


def get(tx: Tx, caller: Caller, message_id: str) -> Message:
    """One message. Raises MessageNotFound."""
    row = tx.row(select(messages).where(messages.c.id == message_id, messages.c.expires_at > tx.now))
    if row is None or not caller.sees(row.project_id):
        raise MessageNotFound(f"Message {message_id} could not be found.")
    return _message(row)


def remove(tx: Tx, caller: Caller, message_id: str) -> None:
    """The tenant has read it."""
    get(tx, caller, message_id)
    tx.execute(delete(messages).where(messages.c.id == message_id))
    audit.record(tx, caller, "delete", "volume.message", message_id)


def _message(row: Row[Any]) -> Message:
    return Message(**row._mapping)
