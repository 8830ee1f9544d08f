"""The private PostgreSQL of one cloud: made once, run in the foreground, reached by its unix socket alone.

It runs as the system user `postgres` (it refuses root), in a mount namespace of its own where its data and
its socket's directory are seen below /var/lib/postgresql and /run/postgresql: so the state directory may lie
where that user cannot enter. Who may connect is told by the kernel (peer authentication): root as the role
`volutus`, `postgres` as itself; there is no password and no TCP.
"""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from volutus.errors import Unavailable
from volutus.settings import Settings
from volutus.supervise import processes
from volutus.supervise.child import Child

USER = "postgres"
ROLE = "volutus"
DATABASE = "volutus"
SOCKET_FILE = ".s.PGSQL.5432"
_BINARIES = Path("/usr/lib/postgresql")
_DATA_VIEW = "/var/lib/postgresql"
_RUN_VIEW = "/run/postgresql"
# $1 the data directory, $2 the socket's; the rest is the command. `slave`: what is mounted here shows
# nowhere else.
_START = f"""
data=$1 run=$2
shift 2
mkdir -p {_DATA_VIEW} {_RUN_VIEW}
mount --bind "$data" {_DATA_VIEW}
mount --bind "$run" {_RUN_VIEW}
cd {_DATA_VIEW}
exec setpriv --reuid={USER} --regid={USER} --clear-groups -- "$@"
"""
_INITDB_TIMEOUT_S = 120
_TERMINATE = b"X\0\0\0\4"

_HBA = f"""# Written by volutus: only local users that the map names, told by the kernel.
local all {ROLE} peer map={ROLE}
local all {USER} peer
"""
_IDENT = f"""# Written by volutus: the control plane runs as root.
{ROLE} root {ROLE}
{ROLE} {USER} {ROLE}
"""
# A small cloud's share of memory: the database of a thousand servers fits in 32 MB of buffers. Everything
# lies in the state directory, also what would else be in /dev/shm.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_directories": _RUN_VIEW,
    "shared_buffers": "32MB",
    "max_connections": "100",
    "dynamic_shared_memory_type": "mmap",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "jit": "off",
    "log_min_duration_statement": "500ms",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


def directory(settings: Settings) -> Path:
    """Where the database is kept."""
    return settings.state_dir / "postgres"


def binaries() -> Path:
    """The newest installed server's programs."""
    found = sorted(_BINARIES.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise Unavailable("PostgreSQL is not installed: `apt-get install postgresql`")
    return found[-1].parent


def tool(name: str) -> str:
    """The path of `psql`, `pg_dump` … of the same version as the server."""
    return str(binaries() / name)


def create(settings: Settings) -> None:
    """Make the cluster with its role and database, if there is none. What a broken attempt left is thrown
    away."""
    data = directory(settings)
    if (data / "PG_VERSION").exists():
        return
    partial = data.with_name("postgres.new")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(mode=0o700)
    shutil.chown(partial, USER, USER)
    initdb = [tool("initdb"), "-D", _DATA_VIEW, "-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "--auth=peer"]
    _run(_inside(partial, settings.run_dir, *initdb))
    for name, text in (("pg_hba.conf", _HBA), ("pg_ident.conf", _IDENT)):
        (partial / name).write_text(text)
    statements = f"CREATE ROLE {ROLE} LOGIN\nCREATE DATABASE {DATABASE} OWNER {ROLE}\n"
    single = [tool("postgres"), "--single", "-D", _DATA_VIEW, "-c", "exit_on_error=on", "postgres"]
    _run(_inside(partial, settings.run_dir, *single), statements)
    partial.rename(data)


def child(settings: Settings) -> Child:
    """The server as the supervisor runs it."""
    options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    server = (tool("postgres"), "-D", _DATA_VIEW, *options)
    return Child(
        name="postgres",
        argv=_inside(directory(settings), settings.run_dir, *server),
        umask=0o077,
        prepare=lambda: _forget_dead_server(directory(settings)),
        ready=lambda: _answers(settings.run_dir / SOCKET_FILE),
        stop_signal=signal.SIGINT,
        stop_timeout_s=30,
    )


def _forget_dead_server(data: Path) -> None:
    """Remove the lock file of a server that is a zombie: PostgreSQL would take it for alive and not start."""
    lock = data / "postmaster.pid"
    if lock.exists():
        pid = int(lock.read_text().split()[0])
        if processes.find(pid) is None:
            lock.unlink()


def _answers(path: Path) -> bool:
    """Whether the server takes sessions: to a start packet it answers R (granted), or E while it still
    starts."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        connection.sendall(_start_packet())
        granted = connection.recv(1) == b"R"
        connection.sendall(_TERMINATE)
        while connection.recv(4096):
            pass  # To the end, or the server logs a reset connection.
        return granted


def _start_packet() -> bytes:
    body = (196608).to_bytes(4, "big")
    body += b"".join(word.encode() + b"\0" for word in ("user", ROLE, "database", DATABASE)) + b"\0"
    return (len(body) + 4).to_bytes(4, "big") + body


def _inside(data: Path, run_dir: Path, *argv: str) -> tuple[str, ...]:
    """The command of a program of PostgreSQL, as its user, in its own view of the machine; its pid is the
    command's."""
    unshare = ("unshare", "--mount", "--propagation", "slave")
    return (*unshare, "sh", "-euc", _START, "postgres", str(data), str(run_dir), *argv)


def _run(argv: tuple[str, ...], text: str = "") -> None:
    done = subprocess.run(
        argv,
        input=text,
        text=True,
        capture_output=True,
        timeout=_INITDB_TIMEOUT_S,
        env={"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LC_ALL": "C.UTF-8"},
    )
    if done.returncode != 0 or "ERROR" in done.stderr:
        raise Unavailable(f"PostgreSQL could not be set up: {done.stderr.strip()[-2000:]}")
