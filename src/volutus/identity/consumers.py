"""Consumers (OAuth 1.0a): programs of others that users give access to, and the access they were given.

An access token is a trust of the user in himself: its roles, its end and what it is worth at each moment are
the trust's. The signatures are looked at in `signatures`.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, delete, insert, select, text, update

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Forbidden, Invalid, NotFound, Unauthenticated
from volutus.identity import access, projects, trusts
from volutus.identity.application_credentials import RoleReference
from volutus.identity.caller import Caller
from volutus.identity.keys import KeyRepository
from volutus.identity.passwords import draw_hash
from volutus.identity.records import given, listed, merged
from volutus.identity.signatures import Signed
from volutus.identity.tables import access_token, consumer, request_token

# Time for a user to be asked.
REQUEST_TOKEN_LIFETIME = timedelta(hours=8)
_SWEEP = text("""
DELETE FROM identity_request_token WHERE id IN (
    SELECT id FROM identity_request_token WHERE expires_at < :now LIMIT 100 FOR UPDATE SKIP LOCKED)
""")


class ConsumerNotFound(NotFound):
    code = "identity.consumer.not_found"


class AccessTokenNotFound(NotFound):
    code = "identity.access_token.not_found"


@dataclass(frozen=True)
class ConsumerFields:
    """What a client may say of a consumer."""

    description: str | UnsetType | None = UNSET


@dataclass(frozen=True)
class Drawn:
    """A key with its secret, told once."""

    id: str
    secret: str
    expires_at: datetime | None = None


def create(
    tx: Tx, caller: Caller, vault: KeyRepository, fields: ConsumerFields, extra: Mapping[str, Any]
) -> tuple[Row[Any], str]:
    """A new consumer and its secret."""
    drawn = _draw(tx)
    row = {
        "id": drawn.id,
        "description": fields.description or None,
        "sealed_secret": _seal(tx, vault, drawn.secret),
        "extra": dict(extra),
    }
    tx.execute(insert(consumer), row)
    audit.record(tx, caller, "create", "identity.consumer", drawn.id)
    return get(tx, drawn.id), drawn.secret


def get(tx: Tx, consumer_id: str) -> Row[Any]:
    """Raises ConsumerNotFound."""
    row = tx.row(select(consumer).where(consumer.c.id == consumer_id).limit(1))
    if row is None:
        raise ConsumerNotFound(f"Could not find consumer: {consumer_id}.")
    return row


def list_(tx: Tx, page: Page) -> Sequence[Row[Any]]:
    """All consumers."""
    return listed(tx, select(consumer), page, {"id": consumer.c.id})


def change(
    tx: Tx, caller: Caller, consumer_id: str, fields: ConsumerFields, extra: Mapping[str, Any]
) -> Row[Any]:
    """Change what is said of a consumer."""
    before = get(tx, consumer_id)
    changes = {**given(fields), "extra": merged(before.extra, extra)}
    tx.execute(update(consumer).where(consumer.c.id == consumer_id).values(**changes))
    audit.record(tx, caller, "update", "identity.consumer", consumer_id)
    return get(tx, consumer_id)


def remove(tx: Tx, caller: Caller, consumer_id: str) -> None:
    """Delete a consumer; all access it was given ends at once."""
    get(tx, consumer_id)
    tx.execute(delete(consumer).where(consumer.c.id == consumer_id))
    audit.record(tx, caller, "delete", "identity.consumer", consumer_id)


def ask(tx: Tx, vault: KeyRepository, signed: Signed, project_id: str) -> Drawn:
    """A consumer asks for access to a project: a request token, to be authorized by a user. Raises
    Unauthenticated where the signature is wrong."""
    row = _consumer(tx, signed)
    signed.require(tx.now, _open(vault, row.sealed_secret))
    projects.must_exist(tx, project_id)
    drawn = _draw(tx, tx.now + REQUEST_TOKEN_LIFETIME)
    asked = {
        "id": drawn.id,
        "consumer_id": row.id,
        "project_id": project_id,
        "sealed_secret": _seal(tx, vault, drawn.secret),
        "expires_at": drawn.expires_at,
    }
    tx.execute(insert(request_token).values(**asked))
    tx.execute(_SWEEP, {"now": tx.now})
    audit.record(tx, Caller(user_id=None), "ask", "identity.consumer", row.id, {"project_id": project_id})
    return drawn


def authorize(tx: Tx, caller: Caller, token_id: str, role_ids: Sequence[str]) -> str:
    """A user gives what was asked for, with some of his roles in that project: the verifier that he hands to
    the consumer."""
    if caller.is_restricted or caller.trust_id:
        raise Forbidden("What was delegated cannot be delegated further.")
    row = _request_token(tx, token_id)
    access.require(caller.project_id == row.project_id)
    if not role_ids:
        raise Invalid("Invalid input for roles: at least one is required.", field="roles")
    verifier = secrets.token_hex(8)
    given_by = {"user_id": caller.user_id, "role_ids": list(role_ids), "verifier_hash": draw_hash(verifier)}
    tx.execute(update(request_token).where(request_token.c.id == token_id).values(**given_by))
    audit.record(tx, caller, "authorize", "identity.consumer", row.consumer_id)
    return verifier


def redeem(tx: Tx, vault: KeyRepository, signed: Signed) -> Drawn:
    """A consumer trades an authorized request token for an access token. Raises Unauthenticated."""
    owner = _consumer(tx, signed)
    row = _request_token(tx, signed.parameter("oauth_token"))
    signed.require(tx.now, _open(vault, owner.sealed_secret), _open(vault, row.sealed_secret))
    verifier = draw_hash(signed.parameter("oauth_verifier"))
    if row.consumer_id != owner.id or row.user_id is None or row.verifier_hash != verifier:
        raise Unauthenticated("The request token was not authorized.")
    # Guarded: of two uses of a request token one is refused.
    if tx.changed(delete(request_token).where(request_token.c.id == row.id)) != 1:
        raise Unauthenticated("The request token was not authorized.")
    roles = [RoleReference(id=role_id) for role_id in row.role_ids]
    fields = trusts.TrustFields(row.user_id, row.user_id, True, row.project_id, roles=roles)
    trust = trusts.create(tx, Caller(user_id=row.user_id), fields)
    drawn = _draw(tx)
    made = {
        "id": drawn.id,
        "consumer_id": owner.id,
        "trust_id": trust.row.id,
        "user_id": row.user_id,
        "sealed_secret": _seal(tx, vault, drawn.secret),
    }
    tx.execute(insert(access_token).values(**made))
    return drawn


def prove(tx: Tx, vault: KeyRepository, signed: Signed) -> Row[Any]:
    """The access token that a sign-in is signed with. Raises Unauthenticated."""
    owner = _consumer(tx, signed)
    asked = access_token.c.id == signed.parameter("oauth_token")
    row = tx.row(select(access_token).where(asked, access_token.c.consumer_id == owner.id).limit(1))
    if row is None:
        raise Unauthenticated("The request you have made requires authentication.")
    signed.require(tx.now, _open(vault, owner.sealed_secret), _open(vault, row.sealed_secret))
    return row


def list_tokens(tx: Tx, caller: Caller, user_id: str, page: Page) -> Sequence[Row[Any]]:
    """The access tokens that a user gave."""
    access.require(caller.user_id == user_id or access.sees_all(caller))
    statement = select(access_token).where(access_token.c.user_id == user_id)
    return listed(tx, statement, page, {"id": access_token.c.id})


def get_token(tx: Tx, caller: Caller, user_id: str, token_id: str) -> tuple[Row[Any], trusts.Trust]:
    """An access token and what it gives. Raises AccessTokenNotFound."""
    access.require(caller.user_id == user_id or access.sees_all(caller))
    asked = (access_token.c.id == token_id, access_token.c.user_id == user_id)
    row = tx.row(select(access_token).where(*asked).limit(1))
    if row is None:
        raise AccessTokenNotFound(f"Could not find access token: {token_id}.")
    return row, trusts.get(tx, caller, row.trust_id)


def remove_token(tx: Tx, caller: Caller, user_id: str, token_id: str) -> None:
    """Take back what was given; its tokens end at once."""
    access.require_self_or_admin(caller, user_id)
    row, _ = get_token(tx, caller, user_id, token_id)
    tx.execute(delete(access_token).where(access_token.c.id == row.id))
    audit.record(tx, caller, "take_back", "identity.consumer", row.consumer_id)


def _consumer(tx: Tx, signed: Signed) -> Row[Any]:
    asked = consumer.c.id == signed.parameter("oauth_consumer_key")
    row = tx.row(select(consumer).where(asked).limit(1))
    if row is None:
        raise Unauthenticated("The request you have made requires authentication.")
    return row


def _request_token(tx: Tx, token_id: str) -> Row[Any]:
    table = request_token
    row = tx.row(select(table).where(table.c.id == token_id, table.c.expires_at > tx.now).limit(1))
    if row is None:
        raise AccessTokenNotFound(f"Could not find request token: {token_id}.")
    return row


def _draw(tx: Tx, expires_at: datetime | None = None) -> Drawn:
    return Drawn(tx.ids.hex(), secrets.token_hex(16), expires_at)


def _seal(tx: Tx, vault: KeyRepository, secret: str) -> str:
    return vault.seal(secret.encode(), int(tx.now.timestamp()))


def _open(vault: KeyRepository, sealed: str) -> str:
    return (vault.open(sealed) or b"").decode()
