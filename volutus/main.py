"""Builds every object and passes it on: the only place that knows which parts make a cloud."""

import socket
from importlib.resources import files
from pathlib import Path

import uvicorn

from volutus.clock import Clock, SystemClock
from volutus.db import Database
from volutus.db.migrate import upgrade
from volutus.http.kernel import Dialect, Kernel, Plane
from volutus.http.kernel.plane import Authenticator
from volutus.identity import Policy
from volutus.ids import Ids
from volutus.reconcile import Reconciler, Worker
from volutus.settings import Settings

# An operator's own rules, read after ours.
POLICY_OVERRIDE = "policy.toml"


def dialects() -> list[Dialect]:
    """What the public port speaks."""
    return []


def policy(settings: Settings) -> Policy:
    """The permissions of all dialects, overridden by the operator's `policy.toml` in the state directory."""
    shipped = files("volutus.http.openstack")
    paths = [Path(str(shipped / dialect.name / "policy.toml")) for dialect in dialects()]
    override = settings.state_dir / POLICY_OVERRIDE
    return Policy.from_files([path for path in paths if path.exists()] + [override] * override.exists())


def plane(
    settings: Settings, database: Database, clock: Clock, ids: Ids, authenticator: Authenticator
) -> Plane:
    """What handlers reach."""
    return Plane(settings, database, clock, ids, policy(settings), authenticator)


def database(settings: Settings, clock: Clock, ids: Ids, *, pool_size: int) -> Database:
    """This process's connections."""
    return Database(settings.database, clock, ids, pool_size=pool_size)


def reconcilers(_settings: Settings, _database: Database) -> list[Reconciler]:
    """All kinds of long work."""
    return []


def upgrade_database(settings: Settings) -> None:
    """Bring the schema to this version."""
    clock, ids = SystemClock(), Ids()
    opened = database(settings, clock, ids, pool_size=2)
    upgrade(opened)
    opened.close()


def run_reconcile(settings: Settings) -> None:
    """Converge until the process is told to end."""
    opened = database(settings, SystemClock(), Ids(), pool_size=settings.reconcile_threads + 2)
    Worker(opened, reconcilers(settings, opened), settings.reconcile_threads).run()


def serve(kernel: Kernel, listening: socket.socket, log_level: str) -> None:
    """Answer HTTP on an inherited socket until the process is told to end."""
    config = uvicorn.Config(
        kernel, log_level=log_level, access_log=False, lifespan="off", loop="uvloop", http="httptools"
    )
    uvicorn.Server(config).run(sockets=[listening])
