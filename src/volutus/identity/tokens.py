"""Tokens: what the payload says, held against what the database says now.

A token is good while its user, scope and credential exist and are enabled, the user still has a role in the
scope, neither epoch was raised since, it has not been revoked and has not expired. All of that is one
statement (`grants.standing`), remembered while nothing changes (`memory`), so whatever changes counts from
the next request on, on every process.
"""

import base64
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from volutus import audit
from volutus.db import Tx
from volutus.errors import NotFound, Unauthenticated
from volutus.identity import payload as payloads
from volutus.identity.caller import Caller
from volutus.identity.grants import Question, Standing, standing
from volutus.identity.keys import KeyRepository
from volutus.identity.memory import Memory
from volutus.identity.payload import Payload, ScopeKind

# A service may finish a tenant's long job with a token that expired meanwhile, if it shows its own as well.
ALLOW_EXPIRED_S = 2 * 24 * 3600
# Of tokens in use, at half a KiB each; a process that sees more starts over.
OPENED_MAX = 4096
# Revoked tokens that have expired anyway are swept along with each revocation, a few at a time.
_SWEEP = text("""
DELETE FROM identity_revoked_token WHERE audit_id IN (
    SELECT audit_id FROM identity_revoked_token WHERE expires_at < :now LIMIT 100 FOR UPDATE SKIP LOCKED)
""")
_REVOKE = text("""
INSERT INTO identity_revoked_token (audit_id, expires_at) VALUES (:audit_id, :expires_at)
ON CONFLICT DO NOTHING
""")


class TokenNotFound(NotFound):
    code = "identity.token.not_found"


@dataclass(frozen=True)
class Token:
    """A token that is good at this moment: its text, its payload, and where its user stands."""

    text: str
    payload: Payload
    standing: Standing

    @property
    def audit_ids(self) -> list[str]:
        """This token's and, for a rescoped one, the first of its chain."""
        ids = (self.payload.audit_id, self.payload.parent_audit_id)
        return [audit_id for audit_id in ids if audit_id]

    def caller(self) -> Caller:
        """Who is asking, as verbs see it."""
        standing, kind, place = self.standing, self.payload.kind, self.standing.place
        in_project = place if kind is ScopeKind.PROJECT else None
        credential = standing.application_credential
        return Caller(
            user_id=standing.user_id,
            user_name=standing.user_name,
            user_domain_id=standing.user_domain_id,
            project_id=in_project.id if in_project else None,
            project_name=in_project.name if in_project else "",
            project_domain_id=in_project.domain_id if in_project else "default",
            domain_id=place.id if place and kind is ScopeKind.DOMAIN else None,
            system=kind is ScopeKind.SYSTEM,
            roles=frozenset(role.name for role in standing.roles),
            token_audit_id=self.payload.audit_id,
            token_expires_at=self.payload.expires_at,
            application_credential_id=credential.id if credential else None,
            trust_id=self.payload.trust_id,
            access_rules=credential.access_rules if credential else None,
            is_restricted=credential is not None and not credential.unrestricted,
        )


@dataclass(frozen=True)
class Claim:
    """What a sign-in proved: the user, how, and within which bounds. `expires_at` of a rescoped token is
    that of the first; `user_epoch` is the one seen while the proof was checked."""

    user_id: str
    methods: tuple[str, ...]
    user_epoch: int
    expires_at: datetime | None = None
    parent_audit_id: str | None = None
    application_credential_id: str | None = None
    trust_id: str | None = None


@dataclass(frozen=True)
class _Opened:
    """Payloads by the text of their tokens, opened with one generation of keys."""

    generation: int
    payloads: dict[str, Payload] = field(default_factory=dict)


class Tokens:
    """Makes and checks tokens: the kernel's authenticator. One per process."""

    def __init__(self, keys: KeyRepository, memory: Memory, lifetime_s: int) -> None:
        self._keys = keys
        self._memory = memory
        self._opened = _Opened(-1)
        self._lifetime = timedelta(seconds=lifetime_s)

    def authenticate(self, tx: Tx, token: str) -> Caller:
        """Who is asking. Raises Unauthenticated."""
        found = self._check(tx, token, timedelta(0))
        if found is None:
            raise Unauthenticated("The request you have made requires authentication.")
        return found.caller()

    def get(self, tx: Tx, token: str, *, allow_expired: bool = False) -> Token:
        """The token with all that it stands for. Raises TokenNotFound."""
        found = self._check(tx, token, timedelta(seconds=ALLOW_EXPIRED_S if allow_expired else 0))
        if found is None:
            raise TokenNotFound("Could not find token.")
        return found

    def issue(
        self,
        tx: Tx,
        claim: Claim,
        kind: ScopeKind,
        scope_id: str | None,
        *,
        ends_by: datetime | None = None,
    ) -> Token:
        """A new token, which ends with its lifetime or `ends_by` if that is sooner. Raises Unauthenticated
        where the user has no place in the scope."""
        payload = Payload(
            user_id=claim.user_id,
            methods=claim.methods,
            kind=kind,
            scope_id=scope_id,
            issued_at=tx.now,
            expires_at=claim.expires_at
            or min(tx.now + self._lifetime, ends_by or datetime.max.replace(tzinfo=UTC)),
            audit_id=_audit_id(),
            parent_audit_id=claim.parent_audit_id,
            user_epoch=claim.user_epoch,
            application_credential_id=claim.application_credential_id,
            trust_id=claim.trust_id,
        )
        found = standing(tx, _question(payload))
        if found is not None and found.place is not None:
            payload = _in_epoch(payload, found.place.epoch)
        if found is None or not _holds(payload, found, tx.now):
            raise Unauthenticated("The request you have made requires authentication.")
        payload = _bounded(payload, found)
        sealed = self._keys.seal(payload.encode(), int(tx.now.timestamp()))
        return Token(sealed, payload, found)

    def revoke(self, tx: Tx, caller: Caller, token: Token) -> None:
        """Make this one token worthless."""
        audit_id = token.payload.audit_id
        tx.execute(_REVOKE, {"audit_id": audit_id, "expires_at": token.payload.expires_at})
        tx.execute(_SWEEP, {"now": tx.now - timedelta(seconds=ALLOW_EXPIRED_S)})
        audit.record(tx, caller, "revoke", "identity.token", audit_id)

    def _check(self, tx: Tx, token: str, grace: timedelta) -> Token | None:
        payload = self._open(token)
        if payload is None or payload.expires_at + grace <= tx.now:
            return None
        question = _question(payload)
        found = self._memory.view(tx).recall(question, lambda: standing(tx, question))
        if found is None or not _holds(payload, found, tx.now - grace):
            return None
        return Token(token, payload, found)

    def _open(self, token: str) -> Payload | None:
        """What the token says, if one of the keys of this moment sealed it."""
        opened = self._opened
        generation = self._keys.generation
        if opened.generation != generation or len(opened.payloads) >= OPENED_MAX:
            opened = self._opened = _Opened(generation)
        if token not in opened.payloads:
            data = self._keys.open(token)
            payload = payloads.decode(data) if data is not None else None
            if payload is None:
                return None
            opened.payloads[token] = payload
        return opened.payloads[token]


def _question(payload: Payload) -> Question:
    return Question(
        user_id=payload.user_id,
        kind=payload.kind,
        place_id=payload.scope_id,
        audit_id=payload.audit_id,
        application_credential_id=payload.application_credential_id,
        trust_id=payload.trust_id,
    )


def _holds(payload: Payload, found: Standing, at: datetime) -> bool:
    """Whether what the payload claims is (still) so."""
    if not found.user_enabled or found.user_epoch != payload.user_epoch or found.revoked:
        return False
    if payload.kind in (ScopeKind.PROJECT, ScopeKind.DOMAIN):
        place = found.place
        if place is None or not place.enabled or place.epoch != payload.scope_epoch:
            return False
    if payload.kind is not ScopeKind.UNSCOPED and not found.roles:
        return False
    return _bounds_hold(payload, found, at)


def _bounds_hold(payload: Payload, found: Standing, at: datetime) -> bool:
    if payload.application_credential_id:
        used = found.application_credential
        if used is None or (used.expires_at is not None and used.expires_at <= at):
            return False
    if payload.trust_id:
        trust = found.trust
        if trust is None or not trust.alive or (trust.expires_at is not None and trust.expires_at <= at):
            return False
    return True


def _in_epoch(payload: Payload, epoch: int) -> Payload:
    return replace(payload, scope_epoch=epoch)


def _bounded(payload: Payload, found: Standing) -> Payload:
    """No token outlives the credential or the trust that it came from."""
    ends = [payload.expires_at]
    if found.application_credential and found.application_credential.expires_at:
        ends.append(found.application_credential.expires_at)
    if found.trust and found.trust.expires_at:
        ends.append(found.trust.expires_at)
    return replace(payload, expires_at=min(ends))


def _audit_id() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
