"""Key pairs: SSH keys and certificates of a user, imported or made here. A private key is shown once and
never stored.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from sqlalchemy import Row, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.sql import func

from volutus import audit, quota
from volutus.compute import certificates
from volutus.compute.faults import KeyPairExists, KeyPairInvalid, KeyPairNotFound
from volutus.compute.tables import key_pairs
from volutus.db import Page, SortKey, Tx, paged
from volutus.errors import QuotaExceeded
from volutus.identity import Caller

_RSA_BITS = 3072
_NAME = re.compile(r"[ \w.@:-]{1,255}", re.ASCII)


@dataclass(frozen=True)
class KeyPair:
    """`private_key` is there only in the answer of the call that made it."""

    user_id: str
    name: str
    number: int
    type: str
    fingerprint: str
    public_key: str
    created_at: datetime
    private_key: str | None = None


@dataclass(frozen=True)
class KeyPairOrder:
    """`public_key` None asks for a new key; `user_id` None means the caller's own; `algorithm` is that of a
    new SSH key. `type` is `ssh` or `x509`."""

    name: str
    public_key: str | None = None
    user_id: str | None = None
    algorithm: str = "ed25519"
    type: str = "ssh"


def create(tx: Tx, caller: Caller, order: KeyPairOrder) -> KeyPair:
    """Import a key or make one. Raises KeyPairExists, KeyPairInvalid, QuotaExceeded."""
    if not _NAME.fullmatch(order.name) or order.name != order.name.strip():
        raise KeyPairInvalid(
            "Keypair data is invalid: a name has 1 to 255 letters, digits, spaces and any of . _ - @ :",
            field="name",
        )
    user_id = order.user_id or caller.user_id or ""
    private_key = None
    public_key = order.public_key
    certified = order.type == "x509"
    if public_key is None and certified:
        private_key, public_key = certificates.generate(order.name, tx.now)
    elif public_key is None:
        private_key, public_key = _generate(order.algorithm, f"Generated-by-Volutus-{order.name}")
    _check_quota(tx, caller, user_id)
    row = tx.row(
        upsert(key_pairs)
        .values(
            user_id=user_id,
            name=order.name,
            type=order.type,
            fingerprint=certificates.fingerprint(public_key) if certified else _fingerprint(public_key),
            public_key=public_key,
            created_at=tx.now,
        )
        .on_conflict_do_nothing()
        .returning(key_pairs)
    )
    if row is None:
        raise KeyPairExists(f"Key pair '{order.name}' already exists.")
    audit.record(tx, caller, "create", "compute.key_pair", order.name, {"user_id": user_id})
    return _key_pair(row, private_key)


def get(tx: Tx, caller: Caller, name: str, user_id: str | None = None) -> KeyPair:
    """One key pair of the caller's, or of another user for an administrator. Raises KeyPairNotFound."""
    owner = user_id or caller.user_id
    row = None
    if owner == caller.user_id or caller.is_admin:
        row = tx.row(select(key_pairs).where(key_pairs.c.user_id == owner, key_pairs.c.name == name))
    if row is None:
        raise KeyPairNotFound(f"Keypair {name} not found for user {owner}")
    return _key_pair(row)


def list_(tx: Tx, caller: Caller, page: Page, user_id: str | None = None) -> list[KeyPair]:
    """Key pairs of a user by name; the page's marker is a name."""
    owner = user_id if user_id and caller.is_admin else caller.user_id
    statement = select(key_pairs).where(key_pairs.c.user_id == owner)
    ordered = Page(page.limit, page.marker, (SortKey("name"),))
    rows = tx.rows(paged(tx, statement, ordered, {"name": key_pairs.c.name}, key_pairs.c.name))
    return [_key_pair(row) for row in rows]


def remove(tx: Tx, caller: Caller, name: str, user_id: str | None = None) -> None:
    """Delete a key pair; servers keep the copy they were made with."""
    found = get(tx, caller, name, user_id)
    tx.execute(delete(key_pairs).where(key_pairs.c.user_id == found.user_id, key_pairs.c.name == name))
    audit.record(tx, caller, "delete", "compute.key_pair", name, {"user_id": found.user_id})


def count(tx: Tx, user_id: str | None) -> int:
    """How many key pairs a user has."""
    return int(tx.value(select(func.count()).where(key_pairs.c.user_id == user_id)) or 0)


def _check_quota(tx: Tx, caller: Caller, user_id: str) -> None:
    # Key pairs belong to users, so they are counted and not charged to a project. Two that race may end one
    # over the limit, which costs nothing.
    maximum = quota.limits(tx, caller.project_id or "")["key_pairs"]
    if maximum != quota.UNLIMITED and count(tx, user_id) >= maximum:
        raise QuotaExceeded("Quota exceeded, too many key pairs.", field="key_pairs")


def _generate(algorithm: str, comment: str) -> tuple[str, str]:
    """A new key as OpenSSH's private file and one-line public key."""
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    if algorithm == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} {comment}"


def _fingerprint(public_key: str) -> str:
    """MD5 of the key in pairs of hex digits, as Nova shows it. Raises KeyPairInvalid for what is no key."""
    if "PRIVATE KEY" in public_key:
        raise KeyPairInvalid(
            "Keypair data is invalid: this is a private key, which nobody else should have. Send the public "
            "one, which `ssh-keygen -y -f FILE` prints.",
            field="public_key",
        )
    parts: Sequence[str] = public_key.split()
    try:
        kind, blob = parts[0], base64.b64decode(parts[1], validate=True)
        # The loader checks the numbers of the key and not only the wrapping.
        serialization.load_ssh_public_key(f"{kind} {parts[1]}".encode())
    except (IndexError, ValueError) as error:
        raise KeyPairInvalid(
            "Keypair data is invalid: failed to generate fingerprint of what should be one line such as "
            "`ssh-ed25519 AAAA… NAME`",
            field="public_key",
        ) from error
    except UnsupportedAlgorithm as error:
        raise KeyPairInvalid("Keypair data is invalid: unknown kind of key", field="public_key") from error
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def _key_pair(row: Row[Any], private_key: str | None = None) -> KeyPair:
    return KeyPair(**row._mapping, private_key=private_key)
