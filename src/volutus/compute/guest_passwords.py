"""The password that a guest made for itself and told through its metadata service.

A guest encrypts it for the server's key pair (Windows images do), so it is kept as it came: who has the
private key reads it. One is kept until it is forgotten on request, or the server is rebuilt or deleted.
"""

from sqlalchemy import delete, select, text

from volutus import audit
from volutus.compute import servers
from volutus.compute.faults import ServerNotFound
from volutus.compute.tables import guest_passwords
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller

# What Nova keeps: four pieces of 255 characters.
BYTES_MAX = 1020
_KIND = "compute.server"
_TELL = text(
    """
    INSERT INTO guest_passwords (server_id, password, told_at)
    SELECT server_id, :password, :now FROM guests WHERE server_id = :guest_id AND host_id = :host_id
    ON CONFLICT (server_id) DO NOTHING
    """
)
_KEPT = text(
    """
    SELECT coalesce(p.password, '') FROM guests g LEFT JOIN guest_passwords p USING (server_id)
    WHERE g.server_id = :guest_id AND g.host_id = :host_id
    """
)


def told(tx: Tx, host_id: str, guest_id: str, data: bytes) -> str:
    """Keep what the guest says, unless something is kept already; without `data` the guest only asks. Answers
    what is kept. Raises ServerNotFound unless the guest is on that host, Invalid."""
    keys = {"host_id": host_id, "guest_id": guest_id}
    if data:
        tx.execute(_TELL, {**keys, "password": _checked(data), "now": tx.now})
    kept: str | None = tx.value(_KEPT, keys)
    if kept is None:
        raise ServerNotFound(f"Guest {guest_id} is not on this host.")
    return kept


def of_server(tx: Tx, caller: Caller, server_id: str) -> str:
    """What the server's guest told; empty before it did."""
    server = servers.get(tx, caller, server_id)
    statement = select(guest_passwords.c.password).where(guest_passwords.c.server_id == server.id)
    return tx.value(statement) or ""


def forget(tx: Tx, caller: Caller, server_id: str) -> None:
    """Keep it no longer. The guest keeps its password, and may tell another."""
    server = servers.get(tx, caller, server_id)
    drop(tx, server.id)
    audit.record(tx, caller, "clear_password", _KIND, server.id)


def drop(tx: Tx, server_id: str) -> None:
    """The system that told it is gone."""
    tx.execute(delete(guest_passwords).where(guest_passwords.c.server_id == server_id))


def _checked(data: bytes) -> str:
    password = data.decode("ascii", "replace")
    if len(data) > BYTES_MAX or not (password.isascii() and password.isprintable()):
        raise Invalid(f"A password is at most {BYTES_MAX} printable ASCII characters.", field="password")
    return password
