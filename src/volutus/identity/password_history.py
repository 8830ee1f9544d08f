"""The passwords a user had, as hashes: what the rules on history and least age look at."""

from sqlalchemy import text

from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity.password_rules import PasswordRules
from volutus.identity.passwords import Passwords

_KEEP = text("""
INSERT INTO identity_password (user_id, password_hash, created_at, self_service)
VALUES (:user_id, :password_hash, :now, :self_service)
""")
_FORGET = text("""
DELETE FROM identity_password WHERE user_id = :user_id AND id NOT IN (
    SELECT id FROM identity_password WHERE user_id = :user_id ORDER BY id DESC LIMIT :kept)
""")
_LAST = text("""
SELECT password_hash, created_at, self_service FROM identity_password WHERE user_id = :user_id
ORDER BY id DESC LIMIT :limit
""")


def require_own_change(tx: Tx, passwords: Passwords, user_id: str, present: str, new: str) -> None:
    """Raise Invalid unless the user may change the password now, and to this one. `present` is the hash."""
    rules = passwords.rules
    rules.require_strength(new)
    last = tx.rows(_LAST, {"user_id": user_id, "limit": max(rules.history, 1)})
    if last and rules.min_age and last[0].self_service and last[0].created_at + rules.min_age > tx.now:
        raise Invalid(
            f"Cannot change the password before {last[0].created_at + rules.min_age:%Y-%m-%d %H:%M} UTC: "
            "the minimum age of a password is not over.",
            field="user.password",
        )
    before = {present, *(row.password_hash for row in last[: rules.history])}
    if any(passwords.matches(stored, new) for stored in before):
        raise Invalid(
            f"The new password must differ from the last {max(rules.history, 1)}.", field="user.password"
        )


def keep(tx: Tx, rules: PasswordRules, user_id: str, password_hash: str, *, self_service: bool) -> None:
    """Note a password that was set, and forget what history no longer needs."""
    noted = {"user_id": user_id, "password_hash": password_hash, "self_service": self_service}
    tx.execute(_KEEP, {**noted, "now": tx.now})
    tx.execute(_FORGET, {"user_id": user_id, "kept": max(rules.history, 1)})
