"""`volutus db`: the schema, and copies of the whole database."""

import argparse
import subprocess
import sys
from pathlib import Path

from volutus import settings as settings_module
from volutus.errors import Invalid, NotFound, Unavailable
from volutus.settings import Settings
from volutus.supervise import postgres


def upgrade(arguments: argparse.Namespace) -> int:
    """Bring the schema to this version; nothing happens if it is."""
    from volutus import main

    main.upgrade_database(settings_module.current(arguments.state_dir))
    sys.stdout.write("The database is at this version.\n")
    return 0


def backup(arguments: argparse.Namespace) -> int:
    """One consistent copy, taken while the cloud works. The file appears when it is whole."""
    settings = settings_module.current(arguments.state_dir)
    target: Path = arguments.file
    if target.exists():
        raise Invalid(f"{target} exists; choose another name")
    partial = target.with_name(f"{target.name}.partial")
    partial.touch(mode=0o600)
    try:
        _run([postgres.tool("pg_dump"), "--format=custom", f"--file={partial}", f"--dbname={_url(settings)}"])
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    size_mib = target.stat().st_size / 1024**2
    sys.stdout.write(
        f"{target}: {size_mib:.1f} MiB. Keep a copy of {settings.secrets_dir} with it: without the "
        "keys there hosts cannot join again and tokens are worth nothing.\n"
    )
    return 0


def restore(arguments: argparse.Namespace) -> int:
    """Replace everything by the copy, as one transaction: on failure the database is as before."""
    settings = settings_module.current(arguments.state_dir)
    source: Path = arguments.file
    if not source.exists():
        raise NotFound(f"there is no file {source}")
    _run(
        [
            postgres.tool("pg_restore"),
            "--clean",
            "--if-exists",
            "--single-transaction",
            "--no-owner",
            f"--dbname={_url(settings)}",
            str(source),
        ]
    )
    sys.stdout.write(
        "Restored. Start the cloud again now: `volutus down --keep-guests`, then `volutus up --detach`.\n"
    )
    return 0


def _url(settings: Settings) -> str:
    """As PostgreSQL's own tools read it: without SQLAlchemy's driver name."""
    return settings.database.replace("postgresql+psycopg://", "postgresql://", 1)


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(
            "the database could not be reached or refused; is the cloud up? (`volutus status`)",
            detail=done.stderr.strip(),
        )
