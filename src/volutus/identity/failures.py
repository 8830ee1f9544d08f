"""Failed sign-ins, counted per user; too many lock the user for a while.

Names nobody has are counted too, under a key made from the name: otherwise the time of one more write would
tell who exists. Each statement commits by itself (the sign-in runs outside a transaction), so a count stays
although the request fails.
"""

from datetime import timedelta

from sqlalchemy import text

from volutus.db import Tx

_NOTE = text("""
WITH swept AS (
    DELETE FROM identity_failure WHERE key IN (
        SELECT key FROM identity_failure WHERE failed_at < :forgotten AND key <> :key
        LIMIT 10 FOR UPDATE SKIP LOCKED)
)
INSERT INTO identity_failure AS f (key, failures, failed_at) VALUES (:key, 1, :now)
ON CONFLICT (key) DO UPDATE SET failed_at = :now,
    failures = CASE WHEN f.failed_at < :forgotten THEN 1 ELSE f.failures + 1 END
""")
_FORGET = text("DELETE FROM identity_failure WHERE key = :key")


def note(tx: Tx, key: str, lockout: timedelta) -> None:
    """Count a failure. One longer ago than `lockout` starts the count anew."""
    tx.execute(_NOTE, {"key": key, "now": tx.now, "forgotten": tx.now - lockout})


def forget(tx: Tx, key: str) -> None:
    """A success clears the count."""
    tx.execute(_FORGET, {"key": key})
