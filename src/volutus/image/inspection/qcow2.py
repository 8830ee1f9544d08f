"""QEMU's own format, versions 2 and 3, after the specification in QEMU's `docs/interop/qcow2.txt`."""

from volutus.image.faults import ImageRefused
from volutus.image.inspection.reader import Reader

_HEADER_V2_BYTES = 72
_CLUSTER_BITS = range(9, 22)
# Incompatible features that keep all data in this file and need no secret: dirty refcounts (QEMU repairs
# them), compression type, extended L2 entries. Not: corrupt (bit 1), external data file (bit 2).
_HARMLESS_FEATURES = 1 << 0 | 1 << 3 | 1 << 4
_EXTERNAL_DATA_FILE = 1 << 2
_END, _BACKING_FORMAT, _DATA_FILE_NAME = 0, 0xE2792ACA, 0x44415441
_EXTENSIONS_MAX = 64
# QEMU's own bound on the table of the first level.
_L1_BYTES_MAX = 32 << 20


def inspect(reader: Reader) -> int:
    """The disk's size. Raises ImageRefused for backing files, data files, encryption and broken tables."""
    _, version, backing_at, backing_length, cluster_bits, size, crypt = reader.unpack(">IIQIIQI", 0)
    if version not in (2, 3):
        raise ImageRefused(f"Image is qcow2 of version {version}; 2 and 3 are known.")
    if backing_at or backing_length:
        raise ImageRefused("Image names a backing file.")
    if cluster_bits not in _CLUSTER_BITS:
        raise ImageRefused("Image has clusters of absurd size.")
    if crypt:
        raise ImageRefused("Image is encrypted.")
    if version == 3:
        _check_features(reader, 1 << cluster_bits)
    _check_tables(reader, size, 1 << cluster_bits, version)
    return int(size)


def _check_features(reader: Reader, cluster_bytes: int) -> None:
    features = reader.number(">Q", 72)
    if features & _EXTERNAL_DATA_FILE:
        raise ImageRefused("Image names an external data file.")
    if features & ~_HARMLESS_FEATURES:
        raise ImageRefused("Image uses features that are not known, or is marked corrupt.")
    header_bytes = reader.number(">I", 100)
    if not 104 <= header_bytes <= cluster_bytes or header_bytes % 8:
        raise ImageRefused("Image has a header of absurd size.")
    _check_extensions(reader, header_bytes, cluster_bytes)


def _check_extensions(reader: Reader, at: int, end: int) -> None:
    for _ in range(_EXTENSIONS_MAX):
        if at + 8 > end:
            return
        kind, length = reader.unpack(">II", at)
        if kind == _END:
            return
        if kind in (_DATA_FILE_NAME, _BACKING_FORMAT):
            raise ImageRefused("Image names another file in its header extensions.")
        if length > end - at - 8:
            raise ImageRefused("Image has a header extension that does not fit.")
        at += 8 + (length + 7) // 8 * 8
    raise ImageRefused("Image has too many header extensions.")


def _check_tables(reader: Reader, size: int, cluster_bytes: int, version: int) -> None:
    l1_entries, l1_at, refcounts_at, refcount_clusters = reader.unpack(">IQQI", 36)
    extended = version == 3 and bool(reader.number(">Q", 72) & 1 << 4)
    entries_per_l2 = cluster_bytes // (16 if extended else 8)
    needed = -(-size // (cluster_bytes * entries_per_l2))
    if l1_entries * 8 > _L1_BYTES_MAX or l1_entries < needed:
        raise ImageRefused("Image has tables that do not fit the size it claims.")
    # A table of no entries may point anywhere; the others lie within the file, at cluster boundaries.
    for at, length in ((l1_at, l1_entries * 8), (refcounts_at, refcount_clusters * cluster_bytes)):
        if length and (at % cluster_bytes or at == 0 or at + length > reader.size + cluster_bytes):
            raise ImageRefused("Image has tables beyond its end.")
