"""What a tenant does with a server that exists: power, reboots, locking, deletion.

Each is a change of what is wanted; the reconciler and the host do the rest.
"""

from collections.abc import Collection

from volutus import audit
from volutus.compute import history, reports, servers
from volutus.compute.faults import ServerLocked, WrongState
from volutus.compute.servers import Server
from volutus.db import Tx
from volutus.identity import Caller
from volutus.reconcile import wake, wake_many

NO_FAULT = dict.fromkeys(("fault_code", "fault_message", "fault_detail", "fault_at"))


def start(tx: Tx, caller: Caller, server_id: str) -> None:
    """Power on a server that is off. Raises WrongState."""
    server = _open(tx, caller, server_id, "start", {"stopped"})
    _order(tx, caller, server, "start", power="on", power_orders=server.power_orders + 1)


def stop(tx: Tx, caller: Caller, server_id: str) -> None:
    """Ask the guest to shut down, and cut its power when it does not in time."""
    server = _open(tx, caller, server_id, "stop", {"active", "error"})
    _order(tx, caller, server, "stop", power="off", power_orders=server.power_orders + 1)


def reboot(tx: Tx, caller: Caller, server_id: str, *, hard: bool) -> None:
    """Reboot from within (soft), or by power (hard), which also starts a server that is off."""
    if hard:
        server = _open(tx, caller, server_id, "reboot", {"active", "stopped", "paused", "error"})
        wanted = {
            "power": "on",
            "power_orders": server.power_orders + 1,
            "hard_reboots": server.hard_reboots + 1,
        }
        # A server that once ran may be mended by starting afresh; one that was never built cannot.
        fault = NO_FAULT if server.first_launched_at is not None else {}
        _order(tx, caller, server, "reboot", **wanted, **fault)
    else:
        server = _open(tx, caller, server_id, "reboot", {"active"})
        _order(tx, caller, server, "reboot", soft_reboots=server.soft_reboots + 1)


def pause(tx: Tx, caller: Caller, server_id: str) -> None:
    """Hold the guest where it is, in memory. Raises WrongState unless it runs and nothing else goes on."""
    server = _idle(_open(tx, caller, server_id, "pause", {"active"}), "pause")
    _order(tx, caller, server, "pause", power="paused", power_orders=server.power_orders + 1)


def unpause(tx: Tx, caller: Caller, server_id: str) -> None:
    """Let a held guest go on."""
    server = _open(tx, caller, server_id, "unpause", {"paused"})
    _order(tx, caller, server, "unpause", power="on", power_orders=server.power_orders + 1)


def delete(tx: Tx, caller: Caller, server_id: str) -> None:
    """Have it gone, in whatever state it is. Asking twice is asking once. Raises ServerLocked."""
    server = servers.locked(tx, caller, server_id)
    check_unlocked(caller, server)
    if server.delete_asked_at is None:
        _order(tx, caller, server, "delete", delete_asked_at=tx.now)


def lock(tx: Tx, caller: Caller, server_id: str, reason: str | None = None) -> None:
    """Refuse changes by anyone but an administrator until it is unlocked."""
    server = servers.locked(tx, caller, server_id)
    servers.write(tx, server.id, locked=True, locked_reason=reason)
    _note(tx, caller, server, "lock", finished=True)


def unlock(tx: Tx, caller: Caller, server_id: str) -> None:
    """Allow changes again."""
    server = servers.locked(tx, caller, server_id)
    servers.write(tx, server.id, locked=False, locked_reason=None)
    _note(tx, caller, server, "unlock", finished=True)


def look_again(tx: Tx, server_ids: Collection[str]) -> set[str]:
    """Have the reconciler look at these servers; those that there are."""
    found = servers.existing(tx, server_ids)
    wake_many(tx, reports.SERVER, sorted(found))
    return found


def reset_state(tx: Tx, caller: Caller, server_id: str, *, to_error: bool) -> None:
    """An operator's word on a server that is stuck: put it into ERROR, or forget its fault and try again."""
    server = servers.locked(tx, caller, server_id)
    if to_error:
        servers.fail(tx, server.id, "An operator set this server's state to error.")
    else:
        servers.write(tx, server.id, **NO_FAULT)
    _note(tx, caller, server, "resetState", finished=True)
    wake(tx, reports.SERVER, server.id)


def check_unlocked(caller: Caller, server: Server) -> None:
    """Raise ServerLocked for a tenant's change of a locked server."""
    if server.locked and not caller.is_admin:
        raise ServerLocked(f"Instance {server.id} is locked")


def suspend(tx: Tx, caller: Caller, server_id: str) -> None:
    """Write the guest's memory to its host's disk and end its process. Raises WrongState unless it runs and
    nothing else goes on."""
    server = _idle(_open(tx, caller, server_id, "suspend", {"active"}), "suspend")
    _order(tx, caller, server, "suspend", power="suspended", power_orders=server.power_orders + 1)


def resume(tx: Tx, caller: Caller, server_id: str) -> None:
    """Let a suspended guest go on where it was."""
    server = _open(tx, caller, server_id, "resume", {"suspended"})
    _order(tx, caller, server, "resume", power="on", power_orders=server.power_orders + 1)


def changeable(
    tx: Tx, caller: Caller, server_id: str, action: str, states: Collection[str], *, idle: bool = False
) -> Server:
    """The server, its row held, if the action fits its state, and with `idle` nothing else goes on. Raises
    WrongState, ServerLocked."""
    server = _open(tx, caller, server_id, action, states)
    return _idle(server, action) if idle else server


def audited(tx: Tx, caller: Caller, server: Server, action: str) -> None:
    """Note an action that is done with the request."""
    audit.record(tx, caller, action, "compute.server", server.id)


def touched(tx: Tx, caller: Caller, server: Server, action: str) -> None:
    """Something of the server changed that its host must be told: note the action and wake."""
    servers.write(tx, server.id)
    _note(tx, caller, server, action, finished=False)
    wake(tx, reports.SERVER, server.id)


def _open(tx: Tx, caller: Caller, server_id: str, action: str, states: Collection[str]) -> Server:
    server = servers.locked(tx, caller, server_id)
    check_unlocked(caller, server)
    status = server.status
    if server.delete_asked_at is not None:
        raise WrongState(
            f"Cannot '{action}' instance {server_id} while it is in task_state {status.task_state}"
        )
    if server.step is not None and status.task_state is not None:
        raise WrongState(
            f"Cannot '{action}' instance {server_id} while it is in task_state {status.task_state}"
        )
    if status.vm_state not in states:
        raise WrongState(
            f"Cannot '{action}' instance {server_id} while it is in vm_state {status.vm_state}: it must be "
            f"{' or '.join(sorted(states))}"
        )
    return server


def _idle(server: Server, action: str) -> Server:
    task = server.status.task_state
    if task is not None:
        raise WrongState(f"Cannot '{action}' instance {server.id} while it is in task_state {task}")
    return server


def _order(tx: Tx, caller: Caller, server: Server, action: str, **wanted: object) -> None:
    servers.write(tx, server.id, **wanted)
    _note(tx, caller, server, action, finished=False)
    wake(tx, reports.SERVER, server.id)


def _note(tx: Tx, caller: Caller, server: Server, action: str, *, finished: bool) -> None:
    history.began(tx, caller, server.id, action, finished=finished)
    audit.record(tx, caller, action, "compute.server", server.id)
