"""Signing in with EC2 keys: a request that AWS's clients signed stands for the owner of the keys."""

from typing import Any

import msgspec
from sqlalchemy import text

from volutus.db import Tx
from volutus.errors import Unauthenticated
from volutus.identity import credentials, failures
from volutus.identity.parts import Identity
from volutus.identity.payload import ScopeKind
from volutus.identity.sign_in import REFUSED, by_trust
from volutus.identity.signatures import AwsRequest, fits_aws
from volutus.identity.tokens import Claim, Token

METHOD = "ec2credential"
_KEYS = text("""
SELECT c.id, c.user_id, c.project_id, c.sealed_blob, u.epoch, f.failures, f.failed_at
FROM identity_credential c JOIN identity_user u ON u.id = c.user_id
LEFT JOIN identity_failure f ON f.key = c.id
WHERE c.id = :id AND c.type = 'ec2' LIMIT 1
""")
# Signing does not cost the one who checks much; an unknown key is checked against this.
_NOBODYS = "no secret"


def sign_in(tx: Tx, identity: Identity, request: AwsRequest) -> Token:
    """A token for the project of the keys. Raises Unauthenticated."""
    key_id = credentials.ec2_id(request.access)
    row = tx.row(_KEYS, {"id": key_id})
    blob = _blob(identity, row)
    fits = fits_aws(request, str(blob.get("secret") or _NOBODYS), tx.now)
    rules = identity.passwords.rules
    locked = row is not None and rules.is_locked(row.failures, row.failed_at, tx.now)
    if row is None or not blob.get("secret") or not fits or locked:
        failures.note(tx, key_id, rules.lockout)
        raise Unauthenticated(REFUSED)
    claim = Claim(
        row.user_id, (METHOD,), row.epoch, application_credential_id=blob.get("app_cred_id") or None
    )
    if blob.get("trust_id"):
        return by_trust(tx, identity.tokens, claim, str(blob["trust_id"]))
    return identity.tokens.issue(tx, claim, ScopeKind.PROJECT, row.project_id)


def _blob(identity: Identity, row: Any) -> dict[str, Any]:
    opened = identity.vault.open(row.sealed_blob) if row is not None else None
    try:
        return msgspec.json.decode(opened, type=dict[str, Any]) if opened else {}
    except (msgspec.DecodeError, msgspec.ValidationError):
        return {}
