"""What a host is asked to do with a guest once and at once: set a password in it, make it dump its memory.

A command is told to the host with its next poll and never twice, for nobody knows how far the first came. Its
answer, or its deadline, ends the action that ordered it. A password is sealed on its way and gone after it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import insert, select, update

from volutus import placement
from volutus.compute import actions, history
from volutus.compute.guest_answers import DEADLINE
from volutus.compute.servers import Server
from volutus.compute.tables import guest_commands, guests, servers
from volutus.db import Tx
from volutus.identity import Caller
from volutus.wire import CommandKind, GuestCommand

# Each poll of a host takes no more; the rest comes with the next.
COMMANDS_MAX = 16
CHANGE_PASSWORD = "changePassword"  # noqa: S105  (an action's name)
CRASH_DUMP = "trigger_crash_dump"

Seal = Callable[[str], str]
Unseal = Callable[[str], str]


def change_password(tx: Tx, caller: Caller, server_id: str, password: str, seal: Seal) -> None:
    """Have the guest agent set the administrator's password. Raises WrongState."""
    server = actions.changeable(tx, caller, server_id, CHANGE_PASSWORD, {"active"}, idle=True)
    _order(tx, caller, server, CHANGE_PASSWORD, CommandKind.SET_PASSWORD, seal(password))


def crash_dump(tx: Tx, caller: Caller, server_id: str) -> None:
    """Send the guest the interrupt that makes it dump its memory. Raises WrongState."""
    server = actions.changeable(tx, caller, server_id, CRASH_DUMP, {"active", "paused"}, idle=True)
    _order(tx, caller, server, CRASH_DUMP, CommandKind.INJECT_NMI, "")


def take(tx: Tx, host_id: str, unseal: Unseal) -> list[GuestCommand]:
    """The commands that a host has not been told yet."""
    waiting = (
        select(guest_commands.c.id)
        .where(
            guest_commands.c.host_id == host_id,
            guest_commands.c.asked_at.is_(None),
            guest_commands.c.ordered_at > tx.now - DEADLINE,
        )
        .limit(COMMANDS_MAX)
    )
    rows = tx.rows(
        update(guest_commands)
        .where(
            guest_commands.c.id.in_(waiting),
            guest_commands.c.asked_at.is_(None),
            servers.c.id == guest_commands.c.server_id,
        )
        .values(asked_at=tx.now)
        .returning(guest_commands, servers.c.image_properties)
    )
    return [
        GuestCommand(
            id=row.id,
            guest_id=row.server_id,
            kind=CommandKind(row.kind),
            user=_administrator(row.image_properties) if row.sealed else "",
            password=unseal(row.sealed) if row.sealed else "",
        )
        for row in rows
    ]


def _order(tx: Tx, caller: Caller, server: Server, action: str, kind: CommandKind, sealed: str) -> None:
    host_id = tx.value(select(guests.c.host_id).where(guests.c.server_id == server.id))
    values = {"id": tx.ids.hex(), "server_id": server.id, "host_id": host_id, "ordered_at": tx.now}
    tx.execute(insert(guest_commands), {**values, "action": action, "kind": kind.value, "sealed": sealed})
    history.began(tx, caller, server.id, action)
    actions.audited(tx, caller, server, action)
    placement.ring(tx, host_id)


def _administrator(image_properties: Mapping[str, Any]) -> str:
    """Whose password an image says it is."""
    given = image_properties.get("os_admin_user")
    return (
        str(given) if given else "Administrator" if image_properties.get("os_type") == "windows" else "root"
    )
