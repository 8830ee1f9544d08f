"""Backups of disks in a directory, the backup target: only what is not zero, and of an incremental one only
what changed since its parent. The target may be a file system that all hosts share.

`ID/manifest` names every part of the disk that holds data, with its sum and in whose `data` file it is;
`ID/data` has the parts that this backup brought. A backup appears under its name when it is whole. What
changed is found by comparing sums, so a backup needs no bookkeeping in the guest and none that a crash could
lose.

Parts of an encrypted disk are encrypted in the target with a key derived from the disk's.
"""

import hashlib
import hmac
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from volutus.agent.faults import HostFault
from volutus.agent.state import BackupSeen
from volutus.agent.storage.disk_tool import Disk
from volutus.agent.storage.nbd import PIECE_BYTES, Content, opened
from volutus.wire import BackupSpec

# What is read at once.
PART_BYTES = PIECE_BYTES
NONCE_BYTES = 12
_ZEROS = bytes(PART_BYTES)
MANIFEST, DATA, WORK = "manifest", "data", ".part"
_MESSAGE = "The backup could not be made."


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One piece of the disk at `number` times the piece's size: the sum of its bytes, and where they are."""

    number: int
    digest: str
    backup_id: str
    offset: int
    length: int


class Manifest(msgspec.Struct, frozen=True):
    """`parts` in order; what none names is zero."""

    id: str
    parent_id: str | None
    size_bytes: int
    encrypted: bool
    parts: list[Part]


class Backups:
    """The backups in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)

    def all(self) -> dict[str, BackupSeen]:
        """The whole ones by id."""
        found = {}
        for path in self._directory.iterdir():
            if path.suffix != WORK and (path / MANIFEST).exists():
                found[path.name] = BackupSeen((path / DATA).stat().st_size)
        return found

    def make(self, spec: BackupSpec, disk: Disk) -> None:
        """Store the disk, which nobody writes to meanwhile. What an interrupted try left is begun anew."""
        final = self._directory / spec.id
        if final.exists():
            return
        work = self._directory / (spec.id + WORK)
        shutil.rmtree(work, ignore_errors=True)
        parent = self._manifest(spec.parent_id) if spec.parent_id else None
        try:
            work.mkdir()
            with opened(disk) as content, (work / DATA).open("wb") as data:
                store = _Store(spec, parent, disk.key)
                parts = [store.put(number, piece, data) for number, piece in _pieces(content)]
                manifest = Manifest(spec.id, spec.parent_id, content.size_bytes, disk.key is not None, parts)
                os.fsync(data.fileno())
            _write(work / MANIFEST, msgspec.json.encode(manifest))
            os.rename(work, final)
            _sync_directory(self._directory)
        except OSError as error:
            raise HostFault(_MESSAGE, str(error)) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def restore(self, backup_id: str, disk: Disk) -> None:
        """Write a backup's content into a disk that is empty and large enough. Every part's sum is
        compared."""
        manifest = self._manifest(backup_id)
        message = "The backup could not be restored."
        if manifest.encrypted is not (disk.key is not None):
            raise HostFault(message, "the disk's encryption is not the backup's")
        try:
            with opened(disk, writable=True) as content:
                if content.size_bytes < manifest.size_bytes:
                    raise HostFault("The disk is smaller than the backup.")
                if not disk.begins_as_zeros:
                    _blank(content, {part.number for part in manifest.parts})
                for part in manifest.parts:
                    content.write(part.number * PART_BYTES, self._bytes(part, disk.key))
                content.flush()
        except OSError as error:
            raise HostFault(message, str(error)) from error

    def size_bytes(self, backup_id: str) -> int:
        """The size of the disk that was backed up."""
        return self._manifest(backup_id).size_bytes

    def drop(self, backup_id: str) -> None:
        """Nothing is left of it. The manifest goes first: half a backup must not be taken for one."""
        path = self._directory / backup_id
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)

    def _bytes(self, part: Part, key: bytes | None) -> bytes:
        with (self._directory / part.backup_id / DATA).open("rb") as file:
            file.seek(part.offset)
            stored = file.read(part.length)
        try:
            plain = _unseal(stored, key)
        except InvalidTag as error:
            raise HostFault("The backup is damaged.", f"part {part.number}") from error
        if _digest(plain, key) != part.digest:
            raise HostFault("The backup is damaged.", f"part {part.number}")
        return plain

    def _manifest(self, backup_id: str) -> Manifest:
        try:
            return msgspec.json.decode((self._directory / backup_id / MANIFEST).read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError) as error:
            raise HostFault("The backup is not in the host's backup target.", str(error)) from error


class _Store:
    """Takes the pieces of one disk, and writes those that its parent does not have."""

    def __init__(self, spec: BackupSpec, parent: Manifest | None, key: bytes | None) -> None:
        self._spec = spec
        self._key = key
        self._known = {part.number: part for part in parent.parts} if parent else {}
        self._offset = 0

    def put(self, number: int, piece: memoryview, data: IO[bytes]) -> Part:
        digest = _digest(piece, self._key)
        known = self._known.get(number)
        if known is not None and known.digest == digest:
            return known
        stored = _seal(piece, self._key)
        data.write(stored)
        part = Part(number, digest, self._spec.id, self._offset, len(stored))
        self._offset += len(stored)
        return part


def _pieces(content: Content) -> Iterator[tuple[int, memoryview]]:
    """(number, bytes) of every piece that is not all zeros; the bytes are there until the next is asked
    for."""
    buffer = memoryview(bytearray(PART_BYTES))
    last = -1
    for offset, length in content.data():
        first = max(offset // PART_BYTES, last + 1)
        last = max(last, (offset + length - 1) // PART_BYTES)
        begin, end = first * PART_BYTES, min((last + 1) * PART_BYTES, content.size_bytes)
        for number, piece in enumerate(content.pieces(begin, end - begin, buffer), first):
            if piece[0] or bytes(piece) != _ZEROS[: len(piece)]:
                yield number, piece


def _blank(content: Content, but: set[int]) -> None:
    """Zeros everywhere but in these parts."""
    for number, begin in enumerate(range(0, content.size_bytes, PART_BYTES)):
        if number not in but:
            content.write(begin, _ZEROS[: content.size_bytes - begin])


def _seal(plain: memoryview, key: bytes | None) -> bytes | memoryview:
    if key is None:
        return plain
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_derived(key)).encrypt(nonce, plain, None)


def _unseal(stored: bytes, key: bytes | None) -> bytes:
    if key is None:
        return stored
    return AESGCM(_derived(key)).decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], None)


def _digest(plain: bytes | memoryview, key: bytes | None) -> str:
    """Of encrypted disks a sum that tells nothing to who does not have the key."""
    if key is None:
        return hashlib.sha256(plain).hexdigest()
    return hmac.new(_derived(key), plain, "sha256").hexdigest()


def _derived(key: bytes) -> bytes:
    return hashlib.sha256(b"volutus backup " + key).digest()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
