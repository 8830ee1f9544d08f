"""Signing in: proofs of who one is, and the scope wanted, into a token.

All refusals are the same words and cost the same time, whether the user is unknown, disabled or locked, or
the password is wrong. This runs outside a transaction: no connection waits in one while a hash is computed.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text, update

from volutus.db import Tx
from volutus.errors import Forbidden, Invalid, Unauthenticated
from volutus.identity import consumers, failures, tables, totp
from volutus.identity.parts import Identity
from volutus.identity.password_rules import PasswordRules
from volutus.identity.passwords import Passwords
from volutus.identity.payload import ScopeKind
from volutus.identity.signatures import Signed
from volutus.identity.tokens import Claim, Token, Tokens

REFUSED = "The request you have made requires authentication."

_USER = """
SELECT u.id, u.name, u.password_hash, u.enabled AND d.enabled AS enabled, u.epoch, u.password_expires_at,
    u.options, u.default_project_id, f.failures, f.failed_at
FROM identity_user u JOIN identity_domain d ON d.id = u.domain_id
LEFT JOIN identity_failure f ON f.key = u.id
"""
_USER_BY_ID = text(_USER + "WHERE u.id = :id LIMIT 1")
_USER_BY_NAME = text(
    _USER
    + "WHERE u.name = :name AND (d.id = :domain_id OR :domain_id IS NULL AND d.name = :domain_name) LIMIT 1"
)
_PROJECT_BY_NAME = text("""
SELECT p.id FROM identity_project p JOIN identity_domain d ON d.id = p.domain_id
WHERE p.name = :name AND (d.id = :domain_id OR :domain_id IS NULL AND d.name = :domain_name) LIMIT 1
""")
_DOMAIN_BY_NAME = text("SELECT id FROM identity_domain WHERE name = :name LIMIT 1")
_APPLICATION_CREDENTIAL = text("""
SELECT c.id, c.user_id, c.project_id, c.secret_hash, c.expires_at, u.epoch, f.failures, f.failed_at
FROM identity_application_credential c JOIN identity_user u ON u.id = c.user_id
JOIN identity_domain d ON d.id = u.domain_id
LEFT JOIN identity_failure f ON f.key = c.id
WHERE c.id = :id OR :id IS NULL AND c.name = :name AND (
    u.id = :user_id
    OR :user_id IS NULL AND u.name = :user_name
        AND (d.id = :domain_id OR :domain_id IS NULL AND d.name = :domain_name))
LIMIT 1
""")
_TRUST = text("""
SELECT t.id, t.trustor_user_id, t.trustee_user_id, t.project_id, t.impersonation, t.remaining_uses, u.epoch
FROM identity_trust t JOIN identity_user u ON u.id = t.trustor_user_id
WHERE t.id = :id AND (t.expires_at IS NULL OR t.expires_at > :now) LIMIT 1
""")
# Guarded: of two uses at once of a trust's last use, one is refused.
_USE_TRUST = text(
    "UPDATE identity_trust SET remaining_uses = remaining_uses - 1 WHERE id = :id AND remaining_uses > 0"
)


class PasswordExpired(Unauthenticated):
    code = "identity.user.password_expired"


@dataclass(frozen=True)
class NameOrId:
    """How a request names a user, a project or a domain: by id, or by name with its domain's id or name."""

    id: str | None = None
    name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None


@dataclass(frozen=True)
class ApplicationCredentialProof:
    """An application credential by id, or by name and user."""

    secret: str
    id: str | None = None
    name: str | None = None
    user: NameOrId = NameOrId()


@dataclass(frozen=True)
class Scope:
    """The scope asked for; `at` names the project or domain, `trust_id` comes with none of them."""

    kind: ScopeKind
    at: NameOrId = NameOrId()
    trust_id: str | None = None


@dataclass(frozen=True)
class Attempt:
    """The proofs shown, in the methods' order, and the scope wanted: None is for the user's default.
    `address` is where it comes from."""

    methods: tuple[str, ...]
    password: tuple[NameOrId, str] | None = None
    totp: tuple[NameOrId, str] | None = None
    token: str | None = None
    application_credential: ApplicationCredentialProof | None = None
    scope: Scope | None = None
    address: str = ""
    oauth1: Signed | None = None


def sign_in(tx: Tx, identity: Identity, attempt: Attempt) -> Token:
    """A token for what was proved. Raises Unauthenticated."""
    for proof in (attempt.password, attempt.totp):
        if proof is not None:
            identity.throttles.admit(_key(proof[0]), attempt.address, tx.now)
    if attempt.oauth1 is not None:
        return _by_access_token(tx, identity, attempt)
    claim, default_project_id = _prove(tx, identity, attempt)
    if claim.application_credential_id:
        if attempt.scope is not None and attempt.scope.kind is not ScopeKind.UNSCOPED:
            raise Unauthenticated("Application credentials cannot request a scope.")
        return identity.tokens.issue(tx, claim, ScopeKind.PROJECT, default_project_id)
    if attempt.scope is None:
        return _in_default_scope(tx, identity.tokens, claim, default_project_id)
    if attempt.scope.trust_id:
        return by_trust(tx, identity.tokens, claim, attempt.scope.trust_id)
    return identity.tokens.issue(tx, claim, attempt.scope.kind, _scope_id(tx, attempt.scope))


def prove_password(tx: Tx, passwords: Passwords, who: NameOrId, password: str) -> Any:
    """The user's row, if the password is right. Counts failures. Raises Unauthenticated."""
    row = _user(tx, who)
    matched = passwords.matches(row.password_hash if row else None, password)
    locked = row is not None and _is_locked(tx, passwords.rules, row)
    if row is None or not matched or locked or not row.enabled:
        failures.note(tx, row.id if row else _key(who), passwords.rules.lockout)
        raise Unauthenticated(REFUSED)
    if row.failures:
        failures.forget(tx, row.id)
    if passwords.is_outdated(row.password_hash):
        renewed = update(tables.user).where(
            tables.user.c.id == row.id, tables.user.c.password_hash == row.password_hash
        )
        tx.execute(renewed.values(password_hash=passwords.hash(password)))
    return row


def _prove(tx: Tx, identity: Identity, attempt: Attempt) -> tuple[Claim, str | None]:
    """What is proved, and the user's default project (an application credential's own)."""
    if attempt.application_credential:
        return _prove_application_credential(tx, identity.passwords, attempt)
    claims: list[tuple[Claim, str | None]] = []
    options: dict[str, Any] = {}
    if attempt.token is not None:
        claims.append(_prove_token(tx, identity.tokens, attempt))
    if attempt.password is not None:
        row = prove_password(tx, identity.passwords, *attempt.password)
        if row.password_expires_at is not None and row.password_expires_at <= tx.now:
            raise PasswordExpired(f"The password is expired and needs to be changed for user: {row.id}.")
        options = row.options
        claims.append((Claim(row.id, attempt.methods, row.epoch), row.default_project_id))
    if attempt.totp is not None:
        row = _prove_totp(tx, identity, *attempt.totp)
        options = row.options
        claims.append((Claim(row.id, attempt.methods, row.epoch), row.default_project_id))
    if not claims:
        raise Invalid(
            "No authentication method that this cloud knows was given.", field="auth.identity.methods"
        )
    if len({claim.user_id for claim, _ in claims}) > 1:
        raise Unauthenticated(REFUSED)
    _require_factors(options, claims[0][0].methods)
    return claims[0]


def _prove_token(tx: Tx, tokens: Tokens, attempt: Attempt) -> tuple[Claim, str | None]:
    token = tokens.get(tx, attempt.token or "")
    payload = token.payload
    if payload.application_credential_id or payload.trust_id:
        raise Forbidden("A token from an application credential or a trust cannot be traded for another.")
    methods = tuple(dict.fromkeys((*payload.methods, *attempt.methods)))
    claim = Claim(
        payload.user_id,
        methods,
        payload.user_epoch,
        expires_at=payload.expires_at,
        parent_audit_id=payload.parent_audit_id or payload.audit_id,
    )
    return claim, token.standing.default_project_id


def _prove_totp(tx: Tx, identity: Identity, who: NameOrId, passcode: str) -> Any:
    row, rules = _user(tx, who), identity.passwords.rules
    welcome = row is not None and row.enabled and not _is_locked(tx, rules, row)
    if not welcome or not totp.accepts(tx, identity.vault, row.id, passcode):
        failures.note(tx, row.id if row else _key(who), rules.lockout)
        raise Unauthenticated(REFUSED)
    return row


def _prove_application_credential(tx: Tx, passwords: Passwords, attempt: Attempt) -> tuple[Claim, str | None]:
    proof = attempt.application_credential
    assert proof is not None
    asked = {
        "id": proof.id,
        "name": proof.name,
        "user_id": proof.user.id,
        "user_name": proof.user.name,
        "domain_id": proof.user.domain_id,
        "domain_name": proof.user.domain_name,
    }
    row = tx.row(_APPLICATION_CREDENTIAL, asked)
    matched = passwords.matches(row.secret_hash if row else None, proof.secret)
    expired = row is not None and row.expires_at is not None and row.expires_at <= tx.now
    locked = row is not None and passwords.rules.is_locked(row.failures, row.failed_at, tx.now)
    if row is None or not matched or expired or locked:
        failures.note(tx, row.id if row else _key(NameOrId(proof.id, proof.name)), passwords.rules.lockout)
        raise Unauthenticated(REFUSED)
    claim = Claim(row.user_id, attempt.methods, row.epoch, application_credential_id=row.id)
    return claim, row.project_id


def _by_access_token(tx: Tx, identity: Identity, attempt: Attempt) -> Token:
    """What a user gave a consumer, nothing beside it."""
    assert attempt.oauth1 is not None
    if len(attempt.methods) > 1 or attempt.scope is not None:
        raise Unauthenticated("An access token stands alone and has its own scope.")
    row = consumers.prove(tx, identity.vault, attempt.oauth1)
    user = _user(tx, NameOrId(id=row.user_id))
    return by_trust(tx, identity.tokens, Claim(user.id, attempt.methods, user.epoch), row.trust_id)


def _in_default_scope(tx: Tx, tokens: Tokens, claim: Claim, default_project_id: str | None) -> Token:
    """In the user's default project while that is one he can use, else without scope."""
    if default_project_id is not None:
        try:
            return tokens.issue(tx, claim, ScopeKind.PROJECT, default_project_id)
        except Unauthenticated:
            return tokens.issue(tx, claim, ScopeKind.UNSCOPED, None)
    return tokens.issue(tx, claim, ScopeKind.UNSCOPED, None)


def by_trust(tx: Tx, tokens: Tokens, claim: Claim, trust_id: str) -> Token:
    """A token for what a trust gives. Raises Forbidden."""
    trust = tx.row(_TRUST, {"id": trust_id, "now": tx.now})
    if trust is None or trust.trustee_user_id != claim.user_id:
        raise Forbidden("The trust is not one that this user may use.")
    if trust.remaining_uses is not None and tx.changed(_USE_TRUST, {"id": trust_id}) != 1:
        raise Forbidden("The trust has no uses left.")
    bounded = Claim(
        trust.trustor_user_id if trust.impersonation else claim.user_id,
        claim.methods,
        trust.epoch if trust.impersonation else claim.user_epoch,
        expires_at=claim.expires_at,
        parent_audit_id=claim.parent_audit_id,
        trust_id=trust_id,
    )
    kind = ScopeKind.PROJECT if trust.project_id else ScopeKind.UNSCOPED
    try:
        return tokens.issue(tx, bounded, kind, trust.project_id)
    except Unauthenticated as error:
        # Known who it is; what the trust would give is gone.
        raise Forbidden("The trustor no longer has what the trust would give.") from error


def _scope_id(tx: Tx, scope: Scope) -> str | None:
    if scope.kind is ScopeKind.PROJECT:
        if scope.at.id is not None:
            return scope.at.id
        asked = {"name": scope.at.name, "domain_id": scope.at.domain_id, "domain_name": scope.at.domain_name}
        found = tx.value(_PROJECT_BY_NAME, asked)
    elif scope.kind is ScopeKind.DOMAIN:
        found = scope.at.id or tx.value(_DOMAIN_BY_NAME, {"name": scope.at.name})
    else:
        return None
    if found is None:
        raise Unauthenticated(REFUSED)
    return str(found)


def _user(tx: Tx, who: NameOrId) -> Any:
    if who.id is not None:
        return tx.row(_USER_BY_ID, {"id": who.id})
    asked = {"name": who.name, "domain_id": who.domain_id, "domain_name": who.domain_name}
    return tx.row(_USER_BY_NAME, asked)


def _is_locked(tx: Tx, rules: PasswordRules, row: Any) -> bool:
    if row.options.get("ignore_lockout_failure_attempts"):
        return False
    return rules.is_locked(row.failures, row.failed_at, tx.now)


def _key(who: NameOrId) -> str:
    asked = "\0".join(str(part) for part in (who.id, who.name, who.domain_id, who.domain_name))
    return hashlib.sha256(asked.encode()).hexdigest()


def _require_factors(options: dict[str, Any], methods: tuple[str, ...]) -> None:
    rules = options.get("multi_factor_auth_rules") or []
    enabled = options.get("multi_factor_auth_enabled", True)
    if rules and enabled and not any(set(rule) <= set(methods) for rule in rules):
        raise Unauthenticated(REFUSED)
