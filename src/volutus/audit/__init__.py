"""Who changed what, when, by which request. Written in the transaction of the change itself, never edited."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Row, Table, Text, insert, select
from sqlalchemy.dialects.postgresql import JSONB

from volutus.db import Tx

_audit = Table(
    "audit",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True)),
    Column("request_id", Text),
    Column("user_id", Text),
    Column("project_id", Text),
    Column("action", Text),
    Column("object_kind", Text),
    Column("object_id", Text),
    Column("detail", JSONB),
)
_INSERT = insert(_audit)


class Actor(Protocol):
    """Who did it: a caller, or the cloud itself with both None."""

    @property
    def user_id(self) -> str | None: ...

    @property
    def project_id(self) -> str | None: ...


def record(
    tx: Tx, actor: Actor, action: str, kind: str, object_id: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Note a change: `action` is a verb (`create`), `kind` a noun (`compute.server`); no secrets."""
    tx.execute(
        _INSERT,
        {
            "at": tx.now,
            "request_id": tx.request_id,
            "user_id": actor.user_id,
            "project_id": actor.project_id,
            "action": action,
            "object_kind": kind,
            "object_id": object_id,
            "detail": dict(detail or {}),
        },
    )


def of_object(tx: Tx, kind: str, object_id: str, limit: int = 100) -> Sequence[Row[Any]]:
    """The newest records of one object, newest first."""
    return tx.rows(
        select(_audit)
        .where(_audit.c.object_kind == kind, _audit.c.object_id == object_id)
        .order_by(_audit.c.id.desc())
        .limit(limit)
    )


def search(
    tx: Tx, wanted: Mapping[str, str], *, before_id: int | None = None, limit: int = 100
) -> Sequence[Row[Any]]:
    """The newest records whose columns have the wanted values, those before `before_id` if it is given. Only
    objects and projects are indexed: what is looked for by other columns is looked for in all records."""
    statement = select(_audit).order_by(_audit.c.id.desc()).limit(limit)
    if before_id is not None:
        statement = statement.where(_audit.c.id < before_id)
    return tx.rows(statement.where(*(_audit.c[name] == value for name, value in wanted.items())))
