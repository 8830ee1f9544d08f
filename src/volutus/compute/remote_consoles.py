"""Interactive consoles: a token that opens one once, and asking the guest's host for it.

Whoever has the token needs no other credential, so it is short-lived, good once, and only its digest is kept.
The bytes do not come by here: the host brings them to where the browser's connection is held.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, select, update

from volutus import audit, placement
from volutus.compute import servers
from volutus.compute.faults import ConsoleTokenInvalid, ConsoleUnavailable
from volutus.compute.tables import console_sessions, guests
from volutus.db import Tx
from volutus.errors import NotFound
from volutus.identity import Caller
from volutus.wire import ConsoleKind, ConsoleRequest

# From order to the click that opens it.
TOKEN_LIFETIME = timedelta(minutes=10)
# Nobody waits that long for a console; a host that was silent meanwhile is not asked for it.
ASKED_WITHIN = timedelta(seconds=30)
# Each poll of a host takes no more; the rest comes with the next.
REQUESTS_MAX = 16
# What is kept of a session, for whoever looks into who opened one.
KEPT_FOR = timedelta(days=1)

_ALIVE = ("running", "paused")


@dataclass(frozen=True)
class ConsoleToken:
    """What a token stands for."""

    server_id: str
    kind: ConsoleKind
    expires_at: datetime


@dataclass(frozen=True)
class Session:
    """A console being opened: under its id the host's bytes will come."""

    id: str
    server_id: str
    kind: ConsoleKind


def create(tx: Tx, caller: Caller, server_id: str, kind: ConsoleKind) -> str:
    """A token that opens a console of the server once. Raises ConsoleUnavailable."""
    guest = servers.get(tx, caller, server_id).guest
    if guest is None or guest.state not in _ALIVE:
        raise ConsoleUnavailable(f"Instance {server_id} is not running: there is nothing to show.")
    token = secrets.token_urlsafe(32)
    mine = console_sessions.c.server_id == server_id
    tx.execute(delete(console_sessions).where(mine, console_sessions.c.created_at < tx.now - KEPT_FOR))
    values = {
        "id": tx.ids.hex(),
        "token_digest": _digest(token),
        "server_id": server_id,
        "user_id": caller.user_id,
        "kind": kind.value,
        "created_at": tx.now,
        "expires_at": tx.now + TOKEN_LIFETIME,
    }
    tx.execute(insert(console_sessions), values)
    audit.record(tx, caller, "create_console", "compute.server", server_id, {"kind": kind.value})
    return token


def look_up(tx: Tx, token: str) -> ConsoleToken:
    """What a token that was not used yet stands for. Raises ConsoleTokenInvalid."""
    row = tx.row(select(console_sessions).where(*_unused(tx, token)))
    if row is None:
        raise ConsoleTokenInvalid("The token is wrong, used or expired.")
    return ConsoleToken(row.server_id, ConsoleKind(row.kind), row.expires_at)


def open_(tx: Tx, token: str) -> Session:
    """Use up a token. Raises ConsoleTokenInvalid, without telling whether it was wrong, used or expired."""
    row = tx.row(
        update(console_sessions)
        .where(*_unused(tx, token))
        .values(opened_at=tx.now)
        .returning(console_sessions.c.id, console_sessions.c.server_id, console_sessions.c.kind)
    )
    if row is None:
        raise ConsoleTokenInvalid("The token is wrong, used or expired.")
    return Session(row.id, row.server_id, ConsoleKind(row.kind))


def ask(tx: Tx, session: Session) -> None:
    """Have the guest's host bring the console, now that somebody listens for it. A guest that is gone by now
    is asked of nobody."""
    place = select(guests.c.host_id).where(
        guests.c.server_id == session.server_id, guests.c.gone_at.is_(None)
    )
    host_id = tx.value(
        update(console_sessions)
        .where(console_sessions.c.id == session.id)
        .values(host_id=place.scalar_subquery())
        .returning(console_sessions.c.host_id)
    )
    if host_id is not None:
        placement.ring(tx, host_id)


def take_requests(tx: Tx, host_id: str) -> Sequence[ConsoleRequest]:
    """The consoles that a host has not been asked for yet: each is told once."""
    waiting = (
        select(console_sessions.c.id)
        .where(
            console_sessions.c.host_id == host_id,
            console_sessions.c.asked_at.is_(None),
            console_sessions.c.opened_at > tx.now - ASKED_WITHIN,
        )
        .limit(REQUESTS_MAX)
    )
    rows = tx.rows(
        update(console_sessions)
        .where(console_sessions.c.id.in_(waiting), console_sessions.c.asked_at.is_(None))
        .values(asked_at=tx.now)
        .returning(console_sessions.c.id, console_sessions.c.server_id, console_sessions.c.kind)
    )
    return [
        ConsoleRequest(session_id=row.id, guest_id=row.server_id, kind=ConsoleKind(row.kind)) for row in rows
    ]


def check_host(tx: Tx, host_id: str, session_id: str) -> None:
    """Raise NotFound unless this host was asked for the session."""
    owner = tx.value(select(console_sessions.c.host_id).where(console_sessions.c.id == session_id))
    if owner != host_id:
        raise NotFound("There is no such console session.")


def forget(tx: Tx, server_id: str) -> None:
    """Make all tokens of a server worthless."""
    tx.execute(delete(console_sessions).where(console_sessions.c.server_id == server_id))


def _unused(tx: Tx, token: str) -> tuple[ColumnElement[bool], ...]:
    return (
        console_sessions.c.token_digest == _digest(token),
        console_sessions.c.opened_at.is_(None),
        console_sessions.c.expires_at > tx.now,
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
