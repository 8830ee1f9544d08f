"""Time-based one-time passcodes (RFC 6238), from credentials of type `totp` whose blob is a base32 secret."""

import base64
import binascii
import hashlib
import hmac
import struct

from sqlalchemy import text

from volutus.db import Tx
from volutus.identity.keys import KeyRepository

STEP_S = 30
DIGITS = 6
# A passcode typed at the end of its step is still taken in the next one.
STEPS_BACK = 1
# A user with more authenticators than this does not get to make us try them all.
SECRETS_MAX = 10
_SECRETS = text("""
SELECT id, sealed_blob FROM identity_credential WHERE user_id = :user_id AND type = 'totp'
ORDER BY id LIMIT :limit
""")
# Guarded: a passcode is good once, whoever else has seen it typed.
_USE = text("""
UPDATE identity_credential SET extra = jsonb_set(extra, '{last_step}', to_jsonb(CAST(:step AS bigint)))
WHERE id = :id AND coalesce((extra ->> 'last_step')::bigint, -1) < :step
""")


def accepts(tx: Tx, vault: KeyRepository, user_id: str, passcode: str) -> bool:
    """Whether the passcode is one of this moment's, used for the first time."""
    now_step = int(tx.now.timestamp()) // STEP_S
    for row in tx.rows(_SECRETS, {"user_id": user_id, "limit": SECRETS_MAX}):
        secret = vault.open(row.sealed_blob)
        for step in range(now_step, now_step - STEPS_BACK - 1, -1):
            if secret is not None and hmac.compare_digest(
                code(secret.decode(), step).encode(), passcode.encode()
            ):
                return tx.changed(_USE, {"id": row.id, "step": step}) == 1
    return False


def code(secret_base32: str, step: int) -> str:
    """The passcode of a step; empty for a secret that is not base32."""
    try:
        key = base64.b32decode(secret_base32 + "=" * (-len(secret_base32) % 8), casefold=True)
    except binascii.Error:
        return ""
    digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return str(number % 10**DIGITS).zfill(DIGITS)
