"""Keys of encrypted disks: made when a host first asks, kept sealed with the cloud's own key, told only to
the host that has the disk. They are in no document, no record and no log."""

import base64
import secrets
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, exists, insert, select, update

from volutus.db import Tx
from volutus.errors import NotFound
from volutus.volume.tables import backups, disks, keys, released

KEY_BYTES = 32
NONCE_BYTES = 12
FILE_NAME = "volumes.key"


class KeyNotFound(NotFound):
    code = "volume.key.not_found"


class Sealer:
    """Seals and opens keys, and other secrets, with the cloud's own, which is in a file that only the control
    plane reads: when there is something to seal."""

    def __init__(self, secrets_dir: Path) -> None:
        self._path = secrets_dir / FILE_NAME

    @cached_property
    def _cipher(self) -> AESGCM:
        return AESGCM(base64.urlsafe_b64decode(self._path.read_bytes()))

    def seal(self, key_id: str, key: bytes) -> bytes:
        """Only as the key of this id it can be opened again."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, key_id.encode())

    def open(self, key_id: str, sealed: bytes) -> bytes:
        """The key."""
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], key_id.encode())


def order(tx: Tx) -> str:
    """A new key's id; the key itself is made when it is first asked for."""
    key_id = tx.ids.uuid()
    tx.execute(insert(keys), {"id": key_id, "created_at": tx.now})
    return key_id


def of_disk(tx: Tx, sealer: Sealer, host_id: str, disk_id: str) -> bytes:
    """The key of a disk that is, or is to be, on this host. Raises KeyNotFound."""
    row = tx.row(
        select(keys)
        .join(disks, disks.c.key_id == keys.c.id)
        .where(disks.c.id == disk_id, disks.c.host_id == host_id)
        .with_for_update(of=keys)
    )
    if row is None:
        raise KeyNotFound(f"Disk {disk_id} has no key for this host.")
    if row.sealed is not None:
        return sealer.open(row.id, row.sealed)
    # As text: QEMU takes the bytes as they are, and libvirt wants no zeros in them.
    key = base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES))
    tx.execute(update(keys).where(keys.c.id == row.id).values(sealed=sealer.seal(row.id, key)))
    return key


def drop_unused(tx: Tx, key_ids: Sequence[str]) -> None:
    """Forget those of these keys that nothing is encrypted with any more."""
    if key_ids:
        used = [exists().where(table.c.key_id == keys.c.id) for table in (disks, backups, released)]
        tx.execute(delete(keys).where(keys.c.id.in_(key_ids), *(~one for one in used)))
