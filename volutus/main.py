"""Builds every object and passes it on: the only place that knows which parts make a cloud."""

import socket
import ssl
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import uvicorn

from volutus.clock import Clock, SystemClock
from volutus.db import Database
from volutus.db.migrate import upgrade
from volutus.http import agent
from volutus.http.agent.trust import CertificateProtocol
from volutus.http.kernel import Dialect, Kernel, Plane
from volutus.http.kernel.plane import Authenticator
from volutus.http.openstack import network as network_api
from volutus.identity import Policy
from volutus.ids import Ids
from volutus.reconcile import Reconciler, Worker
from volutus.settings import Settings

# An operator's own rules, read after ours.
POLICY_OVERRIDE = "policy.toml"


def dialects() -> list[Dialect]:
    """What the public port speaks."""
    return [
        network_api.dialect(),
    ]


def policy(settings: Settings) -> Policy:
    """The permissions of all dialects, overridden by the operator's `policy.toml` in the state directory."""
    http = Path(str(files("volutus.http")))
    shipped = [*sorted(http.glob("openstack/*/policy.toml")), http / "agent" / "policy.toml"]
    override = settings.state_dir / POLICY_OVERRIDE
    return Policy.from_files([*shipped, *([override] if override.exists() else [])])


def plane(
    settings: Settings, database: Database, clock: Clock, ids: Ids, authenticator: Authenticator
) -> Plane:
    """What handlers reach."""
    return Plane(settings, database, clock, ids, policy(settings), authenticator)


def reconcilers(_settings: Settings, _database: Database) -> list[Reconciler]:
    """All kinds of long work."""
    return []


def upgrade_database(settings: Settings) -> None:
    """Bring the schema to this version."""
    database = _database(settings, 2)
    upgrade(database)
    database.close()


def run_agents_api(settings: Settings, fd: int) -> None:
    """Answer agents on an inherited listening socket, with mutual TLS unless hosts are trusted by header."""
    database = _database(settings, settings.api_threads)
    clock, ids = SystemClock(), Ids()
    served = plane(settings, database, clock, ids, agent.HostAuthenticator())
    served.parts["authority"] = agent.Authority.load(settings.secrets_dir, clock)
    served.parts["bell"] = agent.HostBell(settings.database)
    dialect = agent.dialect(trust_host_header=settings.trust_host_header)
    _serve(settings, [dialect], served, fd, encrypted=not settings.trust_host_header)


def run_reconcile(settings: Settings) -> None:
    """Converge until the process is told to end."""
    database = _database(settings, settings.reconcile_threads + 2)
    Worker(database, reconcilers(settings, database), settings.reconcile_threads).run()


def _database(settings: Settings, pool_size: int) -> Database:
    return Database(settings.database, SystemClock(), Ids(), pool_size=pool_size)


def _serve(
    settings: Settings, spoken: Sequence[Dialect], served: Plane, fd: int, *, encrypted: bool = False
) -> None:
    """Answer HTTP on the socket until the process is told to end. A client certificate is asked for, not
    required: enrolment comes without one, everything else is refused by the authenticator."""
    config = uvicorn.Config(
        Kernel(served, spoken),
        log_level=settings.log_level,
        log_config=None,
        access_log=False,
        lifespan="off",
        loop="uvloop",
        http=CertificateProtocol if encrypted else "httptools",
        ssl_certfile=settings.secrets_dir / "server.pem" if encrypted else None,
        ssl_keyfile=settings.secrets_dir / "server.key" if encrypted else None,
        ssl_ca_certs=str(settings.secrets_dir / "ca.pem") if encrypted else None,
        ssl_cert_reqs=ssl.CERT_OPTIONAL if encrypted else ssl.CERT_NONE,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=fd)])
