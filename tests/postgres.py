"""A private PostgreSQL for one test run: made in a temporary directory, gone with it."""

import glob
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

# Losing a test's data in a crash is no loss; not syncing makes the suite several times faster.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "autovacuum": "off",
}
START_TIMEOUT_S = 30


class Cluster:
    """Started by the constructor; `stop` removes it."""

    def __init__(self) -> None:
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        assert found, "PostgreSQL is not installed: apt-get install postgresql"
        self._bin = Path(found[-1])
        self.directory = Path(tempfile.mkdtemp(prefix="volutus-pg-", dir="/tmp"))
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            shutil.chown(self.directory, user)
        self.directory.chmod(0o755)
        data = self.directory / "data"
        subprocess.run(
            [
                self._bin / "initdb",
                "-D",
                data,
                "-U",
                "volutus",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-N",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
            cwd="/",
        )
        options = [part for k, v in _SETTINGS.items() for part in ("-c", f"{k}={v}")]
        with open(self.directory / "log", "wb") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", data, "-k", self.directory, *options],
                stdout=log,
                stderr=log,
                user=user,
                cwd="/",
            )
        self._wait()

    def url(self, name: str) -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://volutus@/{name}?host={self.directory}"

    def create(self, name: str, template: str = "template1") -> None:
        """Make a database as a copy of another."""
        self.statement(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def drop(self, name: str) -> None:
        """Remove a database whoever is connected."""
        self.statement(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def statement(self, sql: str) -> None:
        """Run one statement outside a transaction."""
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(sql))
        engine.dispose()

    def stop(self) -> None:
        """End the server at once and remove its files."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (self.directory / ".s.PGSQL.5432").exists():
            assert self._process.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.05)
        while True:
            try:
                self.statement("SELECT 1")
                return
            except OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL did not answer"
                time.sleep(0.05)
