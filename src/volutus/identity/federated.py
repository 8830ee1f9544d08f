"""Signing in by an identity provider: what it says of somebody, by the mapping, into a user and a token.

The user is made at the first sign-in and found by the provider's own id for him ever after, whatever he is
called. His groups are the mapping's as of the last sign-in. The token is without scope: clients trade it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select, text

from volutus import audit
from volutus.db import Tx
from volutus.errors import Unauthenticated
from volutus.identity import federation, mappings
from volutus.identity.caller import Caller
from volutus.identity.mappings import Mapped
from volutus.identity.parts import Identity
from volutus.identity.payload import ScopeKind
from volutus.identity.tables import federated_user, protocol, provider, user
from volutus.identity.tokens import Claim, Token

GROUPS_MAX = 1000
METHODS = ("mapped", "openid")
REFUSED = "The request you have made requires authentication."
_LOCAL = text("""
SELECT u.id, u.epoch, u.enabled AND d.enabled AS enabled FROM identity_user u
JOIN identity_domain d ON d.id = u.domain_id
WHERE u.id = :id OR CAST(:id AS text) IS NULL AND u.name = :name
    AND (d.id = :domain_id OR CAST(:domain_id AS text) IS NULL AND d.name = :domain_name)
LIMIT 1
""")
_KNOWN = text("""
SELECT u.id, u.name, u.epoch, u.enabled AND d.enabled AS enabled FROM identity_federated_user f
JOIN identity_user u ON u.id = f.user_id JOIN identity_domain d ON d.id = u.domain_id
WHERE f.provider_id = :provider_id AND f.protocol_id = :protocol_id AND f.unique_id = :unique_id LIMIT 1
""")
# Two first sign-ins of one user at once meet here: the second waits, then finds what the first made.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
_RENAME = text("""
UPDATE identity_user SET name = :name WHERE id = :id AND name <> :name AND NOT EXISTS (
    SELECT FROM identity_user o WHERE o.name = :name AND o.domain_id = identity_user.domain_id)
""")
_GROUPS = text("""
SELECT g.id FROM identity_group g JOIN identity_domain d ON d.id = g.domain_id
WHERE g.id = ANY (CAST(:ids AS text[])) OR EXISTS (
    SELECT FROM unnest(CAST(:names AS text[]), CAST(:domain_ids AS text[]), CAST(:domain_names AS text[]))
        AS w (name, domain_id, domain_name)
    WHERE w.name = g.name AND (w.domain_id = d.id OR w.domain_id IS NULL AND w.domain_name = d.name))
LIMIT :limit
""")
_LEAVE = text("""
DELETE FROM identity_group_member m USING identity_federated_member f
WHERE f.user_id = :user_id AND m.user_id = f.user_id AND m.group_id = f.group_id
    AND NOT f.group_id = ANY (CAST(:ids AS text[]))
""")
_JOIN = text("""
WITH joined AS (
    INSERT INTO identity_group_member (group_id, user_id, added_at)
    SELECT g, :user_id, :now FROM unnest(CAST(:ids AS text[])) AS g ON CONFLICT DO NOTHING
    RETURNING user_id, group_id
)
SELECT user_id, group_id FROM joined LIMIT :limit
""")
_MARK = text("""
INSERT INTO identity_federated_member (user_id, group_id)
VALUES (:user_id, :group_id) ON CONFLICT DO NOTHING
""")


def sign_in(
    tx: Tx, identity: Identity, provider_id: str, protocol_id: str, claims: Mapping[str, Any]
) -> Token:
    """A token without scope for whom the claims stand for. They have been checked. Raises Unauthenticated."""
    place = federation.get_provider(tx, provider_id)
    way = federation.get_protocol(tx, provider_id, protocol_id)
    if not place.enabled or claims.get("iss") not in place.remote_ids:
        raise Unauthenticated(REFUSED)
    mapped = mappings.evaluate(mappings.get(tx, way.mapping_id).rules, claims)
    if mapped.user.type == "local":
        row = _local(tx, mapped, place.domain_id)
    else:
        row = _ephemeral(tx, place, protocol_id, mapped, claims)
    if row is None or not row.enabled:
        raise Unauthenticated(REFUSED)
    if mapped.user.type != "local":
        _set_groups(tx, row.id, mapped, place.domain_id)
    ends = tx.now + timedelta(minutes=place.authorization_ttl) if place.authorization_ttl else None
    claim = Claim(row.id, METHODS, row.epoch)
    return identity.tokens.issue(tx, claim, ScopeKind.UNSCOPED, None, ends_by=ends)


def single_provider(tx: Tx, protocol_id: str) -> str:
    """The one enabled provider with this protocol, for clients that name none. Raises Unauthenticated."""
    table = protocol
    pairs = select(table.c.provider_id).join(provider, provider.c.id == table.c.provider_id)
    found = tx.rows(pairs.where(table.c.id == protocol_id, provider.c.enabled).limit(2))
    if len(found) != 1:
        raise Unauthenticated("Name the identity provider: there is not just one.")
    return str(found[0].provider_id)


def _local(tx: Tx, mapped: Mapped, domain_id: str) -> Any:
    at = mapped.user.domain
    asked = {
        "id": mapped.user.id,
        "name": mapped.user.name,
        "domain_id": at.id if at else domain_id,
        "domain_name": at.name if at else None,
    }
    return tx.row(_LOCAL, asked)


def _ephemeral(tx: Tx, place: Any, protocol_id: str, mapped: Mapped, claims: Mapping[str, Any]) -> Any:
    unique_id = str(claims.get("sub") or mapped.user.id or mapped.user.name)
    key = {"provider_id": place.id, "protocol_id": protocol_id, "unique_id": unique_id}
    tx.execute(_ONE_AT_A_TIME, {"key": "/".join(key.values())})
    name = str(mapped.user.name or mapped.user.id)[:255]
    row = tx.row(_KNOWN, key)
    if row is None:
        row = _make(tx, place, key, name, mapped)
    elif row.name != name:
        tx.execute(_RENAME, {"id": row.id, "name": name})
    return row


def _make(tx: Tx, place: Any, key: Mapping[str, str], name: str, mapped: Mapped) -> Any:
    """A user of the provider's domain. Another's name there stays his: this one gets his id behind it."""
    user_id = tx.ids.hex()
    taken = select(user.c.id).where(user.c.domain_id == place.domain_id, user.c.name == name).limit(1)
    row = {
        "id": user_id,
        "domain_id": place.domain_id,
        "name": f"{name[:200]}-{user_id}" if tx.row(taken) is not None else name,
        "enabled": True,
        "options": {},
        "extra": {"email": mapped.user.email} if mapped.user.email else {},
        "epoch": 0,
        "created_at": tx.now,
    }
    tx.execute(insert(user).values(**row))
    tx.execute(insert(federated_user).values(**key, user_id=user_id))
    audit.record(tx, Caller(user_id=user_id), "create", "identity.user", user_id, dict(key))
    return tx.row(_KNOWN, key)


def _set_groups(tx: Tx, user_id: str, mapped: Mapped, domain_id: str) -> None:
    """The groups of the mapping that exist; memberships that somebody gave by hand stay."""
    named = sorted(mapped.groups, key=str)
    wanted = {
        "ids": sorted(mapped.group_ids),
        "names": [name for name, _, _ in named],
        "domain_ids": [at or (None if at_name else domain_id) for _, at, at_name in named],
        "domain_names": [at_name for _, _, at_name in named],
        "limit": GROUPS_MAX,
    }
    ids = [row.id for row in tx.rows(_GROUPS, wanted)]
    tx.execute(_LEAVE, {"user_id": user_id, "ids": ids})
    joined = tx.rows(_JOIN, {"user_id": user_id, "ids": ids, "now": tx.now, "limit": GROUPS_MAX})
    if joined:
        tx.execute(_MARK, [{"user_id": row.user_id, "group_id": row.group_id} for row in joined])
