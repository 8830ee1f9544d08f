"""Runs `ovn-trace` as nobody, with limits, on a connection to the southbound database that we make for it.

The database's socket is root's. So a relay in this process listens on a socket that only the trace can reach,
and passes bytes between the two for as long as the trace runs.
"""

import os
import pwd
import select
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from volutus.errors import Unavailable
from volutus.network.ovn.client import connect

TIMEOUT_S = 10.0
# A trace holds a copy of the whole southbound database: 200 MiB for 5,000 ports.
MEMORY_BYTES_MAX = 2 << 30
OUTPUT_BYTES_MAX = 1 << 20
AT_ONCE = 2
WAIT_S = 5.0
USER = "nobody"
_PIECE = 1 << 16
# Whether a connection is a new one is what ovn-trace is told here, as often as a packet can ask: switches on
# both sides of some routers.
_NEW_CONNECTIONS = ["--ct=new"] * 16


class Tracer:
    """Asks the southbound database at `remote` (`unix:PATH` or `tcp:ADDR:PORT`; empty when there is none).
    May be shared by threads."""

    def __init__(self, remote: str) -> None:
        self._remote = remote
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def run(self, datapath: str, flow: str) -> str:
        """What ovn-trace prints of a packet. Raises Unavailable when OVN is away, or too slow."""
        if not self._remote:
            raise Unavailable("This cloud has no OVN that could be asked.")
        if not self._places.acquire(timeout=WAIT_S):
            raise Unavailable("Too many traces are under way.", retry_after_s=int(WAIT_S))
        try:
            with tempfile.TemporaryDirectory(prefix="volutus-trace-") as directory:
                return self._run(Path(directory), datapath, flow)
        finally:
            self._places.release()

    def _run(self, directory: Path, datapath: str, flow: str) -> str:
        with _Relay(directory / "southbound", self._remote):
            command = [
                *_unprivileged(directory),
                "ovn-trace",
                f"--db=unix:{directory}/southbound",
                "--no-friendly-names",
                "--detailed",
                *_NEW_CONNECTIONS,
                datapath,
                flow,
            ]
            places = dict.fromkeys(("OVS_RUNDIR", "OVN_RUNDIR"), str(directory))
            try:
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=TIMEOUT_S,
                    env={"PATH": os.environ["PATH"], **places},
                    cwd="/",
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise Unavailable("The network could not be asked in time.", detail=str(error)) from error
        if done.returncode != 0:
            detail = done.stderr[-2000:].decode(errors="replace")
            raise Unavailable("The network could not be asked.", detail=detail)
        return done.stdout[:OUTPUT_BYTES_MAX].decode(errors="replace")


def _unprivileged(directory: Path) -> list[str]:
    """The words before a command that take everything from it that it does not need."""
    limits = [
        "prlimit",
        f"--as={MEMORY_BYTES_MAX}",
        f"--cpu={int(TIMEOUT_S)}",
        "--nofile=64",
        "--core=0",
        "--",
    ]
    if os.geteuid() != 0:
        return limits
    nobody = pwd.getpwnam(USER)
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    return [
        "setpriv",
        f"--reuid={nobody.pw_uid}",
        f"--regid={nobody.pw_gid}",
        "--clear-groups",
        "--bounding-set=-all",
        "--no-new-privs",
        *limits,
    ]


class _Relay:
    """Listens at `path` for one connection and passes its bytes to and from `remote`."""

    def __init__(self, path: Path, remote: str) -> None:
        try:
            self._far = connect(remote)
        except (OSError, ValueError) as error:
            raise Unavailable("The network is away.", detail=f"{remote}: {error}", retry_after_s=1) from error
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        # Its directory keeps others out.
        path.chmod(0o666)
        self._listening.listen(1)
        self._listening.settimeout(TIMEOUT_S)
        self._thread = threading.Thread(target=self._pass, name="trace-relay", daemon=True)

    def __enter__(self) -> "_Relay":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listening, self._far):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # It never connected, or the other side was faster.
        self._thread.join(TIMEOUT_S)
        self._listening.close()
        self._far.close()

    def _pass(self) -> None:
        try:
            near, _ = self._listening.accept()
        except OSError:
            return
        near.settimeout(TIMEOUT_S)
        self._far.settimeout(TIMEOUT_S)
        other = {near: self._far, self._far: near}
        try:
            while True:
                ready, _, _ = select.select(list(other), [], [], TIMEOUT_S)
                if not ready:
                    return
                for one in ready:
                    piece = one.recv(_PIECE)
                    if not piece:
                        return
                    other[one].sendall(piece)
        except OSError:
            return  # The trace has ended, or its time has.
        finally:
            near.close()
