"""The console log of a server: what its host sent, the newest part of it, until the server is deleted.

Interactive consoles are not here; this is the text that the serial port has shown.
"""

from sqlalchemy import delete, func, insert, select, text, update

from volutus.compute.faults import ServerNotFound
from volutus.compute.tables import console_chunks, consoles
from volutus.db import Tx

# A few screens of a kernel that prints a lot. A guest can print without end, so there must be one.
KEPT_BYTES = 256 << 10

# The offset given is checked on the locked row: of two senders of the same bytes one stores them.
_LOCK = text(
    """
    INSERT INTO consoles (server_id) SELECT server_id FROM guests
        WHERE server_id = :guest_id AND host_id = :host_id
    ON CONFLICT (server_id) DO UPDATE SET length = consoles.length
        WHERE EXISTS (SELECT 1 FROM guests g WHERE g.server_id = :guest_id AND g.host_id = :host_id)
    RETURNING length
    """
)


def append(tx: Tx, host_id: str, guest_id: str, offset: int, data: bytes) -> int:
    """Store output that begins at byte `offset` of the guest's log; how many bytes we have seen by now, which
    is where the host goes on. Bytes sent twice are stored once; a gap is not stored, so the host sends it.
    A host that lost its log begins anew at 0. Raises ServerNotFound unless the guest is on that host."""
    length = tx.value(_LOCK, {"guest_id": guest_id, "host_id": host_id})
    if length is None:
        raise ServerNotFound(f"Guest {guest_id} is not on this host.")
    fresh = data[length - offset :] if offset <= length else b""
    if not fresh:
        return int(length)
    tx.execute(insert(console_chunks), {"server_id": guest_id, "starts_at": length, "data": fresh})
    length += len(fresh)
    tx.execute(update(consoles).where(consoles.c.server_id == guest_id).values(length=length))
    tx.execute(
        delete(console_chunks).where(
            console_chunks.c.server_id == guest_id,
            console_chunks.c.starts_at + func.octet_length(console_chunks.c.data) < length - KEPT_BYTES,
        )
    )
    return int(length)


def tail(tx: Tx, server_id: str, lines: int | None = None) -> str:
    """The last lines of a server's console log, or all that is kept."""
    # Chunks hold at least one byte each, so this limit is never met before the bytes kept are.
    rows = tx.rows(
        select(console_chunks.c.data)
        .where(console_chunks.c.server_id == server_id)
        .order_by(console_chunks.c.starts_at)
        .limit(KEPT_BYTES)
    )
    output = b"".join(bytes(row.data) for row in rows)[-KEPT_BYTES:].decode("utf-8", "replace")
    # Not splitlines: a form feed or the like within a line would count as its end.
    whole = output.split("\n")
    if lines is None or lines < 0:
        return output
    if whole and whole[-1] == "":
        whole.pop()
    return "\n".join(whole[len(whole) - lines :] if lines < len(whole) else whole)


def forget(tx: Tx, server_id: str) -> None:
    """Drop the log: another guest begins its own at byte 0."""
    tx.execute(delete(consoles).where(consoles.c.server_id == server_id))
