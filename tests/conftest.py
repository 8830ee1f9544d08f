"""Fixtures of all tests: a real database, a clock that a test moves, callers, and an API client.

`database` gives each test its own savepoints on one connection, rolled back at the end: fast, for one thread
at a time. `shared_database` gives a database of its own with real commits: for races, workers and crashes.
"""

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from xdist.scheduler import LoadScopeScheduling

from tests.api_client import ApiClient, TableAuthenticator
from tests.postgres import Cluster
from tests.undertaker import watch_over_run
from volutus import main
from volutus.db import Database, Tx
from volutus.db.database import reachable
from volutus.db.migrate import upgrade
from volutus.http.kernel import Kernel
from volutus.identity import Caller
from volutus.ids import Ids
from volutus.settings import Settings

TEMPLATE = "volutus_template"
# Packages whose tests share one cloud.
_SHARING = ("tests/live/network/",)
_CLUSTER = pytest.StashKey[Cluster]()


class FakeClock:
    """Stands still until `advance`."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class RolledBackDatabase(Database):
    """All work in savepoints of one connection, so that a test leaves nothing behind."""

    def __init__(self, url: str, clock: FakeClock, ids: Ids) -> None:
        super().__init__(url, clock, ids, pool_size=1)
        self._connection = create_engine(url).connect()
        self._outer = self._connection.begin()
        self._turn = threading.RLock()

    @contextmanager
    def begin(self, request_id: str = "") -> Iterator[Tx]:
        with self._turn:
            with reachable(), self._connection.begin_nested():
                tx = self._tx(self._connection, request_id)
                yield tx
            tx.committed()

    @contextmanager
    def read(self, request_id: str = "") -> Iterator[Tx]:
        with self._turn, reachable():
            yield self._tx(self._connection, request_id)

    def close(self) -> None:
        self._outer.rollback()
        self._connection.close()
        self._connection.engine.dispose()
        super().close()


class FileScheduling(LoadScopeScheduling):
    """A file's tests run one after the other in one worker, and so do those that share a cloud."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((package for package in _SHARING if file.startswith(package)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling | None:
    return FileScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_configure(config: pytest.Config) -> None:
    """The run's one PostgreSQL and its undertaker: made by the controller, used by all workers."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    watch_over_run()
    cluster = Cluster()
    config.stash[_CLUSTER] = cluster
    os.environ["VOLUTUS_TEST_POSTGRES"] = str(cluster.directory)
    cluster.create(TEMPLATE)
    template = Database(cluster.url(TEMPLATE), FakeClock(), Ids())
    upgrade(template)
    template.close()


def pytest_unconfigure(config: pytest.Config) -> None:
    if cluster := config.stash.get(_CLUSTER, None):
        cluster.stop()


def _url(name: str) -> str:
    return f"postgresql+psycopg://volutus@/{name}?host={os.environ['VOLUTUS_TEST_POSTGRES']}"


@contextmanager
def _copied_database() -> Iterator[str]:
    from sqlalchemy import text

    name = f"test_{uuid.uuid4().hex}"
    admin = create_engine(_url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"'))
    yield _url(name)
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()


@pytest.fixture(scope="session")
def worker_database_url() -> Iterator[str]:
    with _copied_database() as url:
        yield url


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ids() -> Ids:
    return Ids(seed=1)


@pytest.fixture
def database(worker_database_url: str, clock: FakeClock, ids: Ids) -> Iterator[Database]:
    opened = RolledBackDatabase(worker_database_url, clock, ids)
    yield opened
    opened.close()


@pytest.fixture
def shared_database(clock: FakeClock) -> Iterator[Database]:
    with _copied_database() as url:
        opened = Database(url, clock, Ids(), pool_size=16)
        yield opened
        opened.close()


@pytest.fixture
def tx(database: Database) -> Iterator[Tx]:
    with database.begin() as opened:
        yield opened


def make_caller(
    project: str = "project-a", role: str = "member", *, user: str = "user-a", system: bool = False
) -> Caller:
    """A caller with a role and all that it implies."""
    order = ["reader", "member", "manager", "admin"]
    roles = frozenset(order[: order.index(role) + 1])
    return Caller(
        user_id=user,
        user_name=user,
        project_id=None if system else project,
        project_name=project,
        system=system,
        roles=roles,
    )


@pytest.fixture
def caller() -> Caller:
    return make_caller()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path, api_threads=4)


@pytest.fixture
def authenticator() -> TableAuthenticator:
    return TableAuthenticator()


@pytest.fixture
def kernel(
    settings: Settings, database: Database, clock: FakeClock, ids: Ids, authenticator: TableAuthenticator
) -> Kernel:
    """The whole public API over the test's database, tokens from a table."""
    return Kernel(main.plane(settings, database, clock, ids, authenticator), main.dialects())


@pytest.fixture
def api(kernel: Kernel, authenticator: TableAuthenticator) -> Iterator[ApiClient]:
    """The API as a member of project-a; `api.as_(make_caller(...))` is somebody else."""
    with ApiClient.over(kernel, authenticator, make_caller()) as client:
        yield client
