"""A plan of small programs, run by a real supervisor: `python -m tests.supervise.small_plan DIR`, with what
`python -m volutus.supervise` takes.

`base` makes a file when it is ready; `worker` needs it, `server` answers on an inherited socket; all write
what happens to them into `DIR/events`. `DIR/once-fails` makes the child that runs once fail.
"""

import os
import socket
import sys
from pathlib import Path

from volutus.supervise import forkserver
from volutus.supervise.child import Child, Guests, Plan
from volutus.supervise.sockets import accepts
from volutus.supervise.supervisor import AlreadyRunning, Supervisor

_DAEMON = """
echo start-$0 >> events
trap 'echo stop-$0 >> events; exit 0' TERM
touch ready-$0
while :; do sleep 0.05; done
"""
# As libvirtd leaves a guest: it outlives its parent, and is nobody's child but the supervisor's.
_LEAVE_ORPHAN = "(setsid sleep 0.3 & echo $! > orphan)"
_SERVER = """
import socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
while True:
    connection, _ = listener.accept()
    connection.sendall(b"hello")
    connection.close()
"""
_FORKSERVER = "--forkserver"


def part() -> int:
    """What the fork server starts: tells what it is, and answers on its socket until it is killed."""
    directory, descriptor = Path(sys.argv[1]), int(sys.argv[2])
    leads = os.getsid(0) == os.getpid()
    facts = (
        f"{os.environ.get('WORD')} {'PYTHONPATH' in os.environ} {leads} {os.umask(0o022):o} {os.getppid()}"
    )
    (directory / "part").write_text(facts)
    sys.stdout.write("said by the part\n")
    sys.stdout.flush()
    with socket.socket(fileno=descriptor) as listener:
        while not (directory / "part-ends").exists():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"forked")
    return 3


def daemon(directory: Path, name: str, *, after: tuple[str, ...] = (), adoptable: bool = True) -> Child:
    return Child(
        name=name,
        argv=("sh", "-c", f"cd {directory}\n{_DAEMON}", name),
        after=after,
        adoptable=adoptable,
        ready=lambda: (directory / f"ready-{name}").exists(),
        ready_timeout_s=5,
        stop_timeout_s=5,
    )


def plan(directory: Path) -> Plan:
    once = Child(
        name="once",
        argv=("sh", "-c", f"cd {directory}; {_LEAVE_ORPHAN}; echo once >> events; test ! -e once-fails"),
        after=("base",),
        once=True,
        adoptable=False,
    )
    server = Child(
        name="server",
        argv=(sys.executable, "-c", _SERVER, "{fd}"),
        after=("once",),
        listens=(directory / "address").read_text(),
        adoptable=False,
    )
    asked = directory / "fork.sock"
    loaded = Child(
        name="forkserver",
        argv=(sys.executable, "-m", "tests.supervise.small_plan", str(directory), _FORKSERVER),
        environment={"PYTHONPATH": os.pathsep.join(sys.path)},
        prepare=lambda: asked.unlink(missing_ok=True),
        ready=lambda: accepts(asked),
        adoptable=False,
    )
    forked = Child(
        name="forked",
        argv=(str(directory), "{fd}"),
        environment={"WORD": "given"},
        forked_at=asked,
        umask=0o027,
        after=("forkserver",),
        listens=(directory / "second-address").read_text(),
        adoptable=False,
        ready=lambda: (directory / "part").exists(),
    )
    ending = {
        guests: Child(
            name="guests",
            argv=("sh", "-c", f"cd {directory}; echo guests-{guests.value} >> events"),
            after=("base",),
            once=True,
        )
        for guests in (Guests.STOPPED, Guests.KILLED)
    }
    children = (
        daemon(directory, "base"),
        once,
        server,
        daemon(directory, "worker", after=("once",)),
        daemon(directory, "anew", after=("once",), adoptable=False),
        loaded,
        forked,
    )
    return Plan(children, directory / "run", directory / "log", ending_guests=ending)


def main() -> int:
    directory = Path(sys.argv[1])
    if _FORKSERVER in sys.argv:
        return forkserver.serve(directory / "fork.sock", part)
    supervisor = Supervisor(plan(directory))
    if "--stop" in sys.argv:
        supervisor.stop(Guests(sys.argv[sys.argv.index("--stop") + 1]))
    try:
        supervisor.run()
    except AlreadyRunning:
        return 9
    return 0


if __name__ == "__main__":
    sys.exit(main())
