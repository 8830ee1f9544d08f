"""How a machine becomes a host: with a join token, good once and for a short time."""

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import insert, update

from volutus.db import Tx
from volutus.errors import Forbidden
from volutus.placement import hosts
from volutus.placement.tables import join_tokens

# Long enough to carry the token to a machine, too short to find it in an old mail.
JOIN_TOKEN_LIFETIME = timedelta(hours=1)


class JoinTokenInvalid(Forbidden):
    code = "placement.join_token.invalid"


def new_join_token(tx: Tx, lifetime: timedelta = JOIN_TOKEN_LIFETIME) -> str:
    """A token for one enrolment; only its digest is kept."""
    token = secrets.token_urlsafe(32)
    tx.execute(
        insert(join_tokens),
        {"digest": _digest(token), "created_at": tx.now, "expires_at": tx.now + lifetime},
    )
    return token


def enrol(tx: Tx, token: str, hostname: str, zone: str) -> str:
    """Use up the token and make the host known; its id. Raises JoinTokenInvalid, without telling whether the
    token was wrong, used or expired."""
    unused = (
        update(join_tokens)
        .where(join_tokens.c.digest == _digest(token))
        .where(join_tokens.c.used_at.is_(None), join_tokens.c.expires_at > tx.now)
    )
    if not tx.changed(unused.values(used_at=tx.now)):
        raise JoinTokenInvalid("The join token is not valid: make a new one with `volutus join-token`.")
    host_id = hosts.register(tx, hostname, zone)
    tx.execute(update(join_tokens).where(join_tokens.c.digest == _digest(token)).values(host_id=host_id))
    return host_id


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
