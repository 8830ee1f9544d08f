"""Order, restarts, back-off, take-over and the end, with small programs as children."""

import os
import signal
import subprocess
from pathlib import Path

from tests.supervise.conftest import Run, eventually
from volutus.supervise import logs, processes
from volutus.supervise.supervisor import is_running


def test_children_start_in_order_and_stop_in_reverse(run: Run) -> None:
    supervisor = run.start_and_wait()
    assert run.events()[:2] == ["start-base", "once"]
    assert set(run.events()[2:]) == {"start-worker", "start-anew"}
    run.ask("stop")
    assert supervisor.wait(20) == 0
    stopped = run.events()[4:]
    assert set(stopped[:2]) == {"stop-worker", "stop-anew"}
    assert stopped[2:] == ["guests-stopped", "stop-base"]
    assert run.left() == []
    assert not is_running(run.directory / "run")


def test_keeping_guests_stops_only_the_daemons(run: Run) -> None:
    supervisor = run.start_and_wait()
    run.ask("stop", guests="kept")
    assert supervisor.wait(20) == 0
    assert not [event for event in run.events() if event.startswith("guests")]
    assert "stop-base" in run.events()


def test_a_signal_stops_in_order_and_keeps_guests(run: Run) -> None:
    supervisor = run.start_and_wait()
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(20) == 0
    assert "guests-stopped" not in run.events()
    assert run.events()[-1] == "stop-base"


def test_a_killed_child_starts_again(run: Run) -> None:
    run.start_and_wait()
    before = run.pid("worker")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: run.pid("worker") not in (before, 0) and run.all_ready(), "worker is back")
    worker = run.children()["worker"]
    assert worker["restarts"] == 1
    assert run.children()["base"]["restarts"] == 0


def test_a_child_that_keeps_failing_is_tried_ever_more_slowly(run: Run) -> None:
    (run.directory / "once-fails").touch()
    run.start()
    once = eventually(
        lambda: (c := run.children().get("once")) and c["failures"] >= 3 and c, "three failures"
    )
    assert once["why"] == "ended with status 1"
    assert run.children()["worker"]["state"] == "waiting"
    (run.directory / "once-fails").unlink()
    eventually(run.all_ready, "all ready once the cause is gone")
    assert run.children()["once"]["failures"] == 0


def test_the_next_supervisor_takes_over_what_a_killed_one_left(run: Run) -> None:
    first = run.start_and_wait()
    base, worker, anew = run.pid("base"), run.pid("worker"), run.pid("anew")
    first.kill()
    first.wait()
    assert set(run.left()) == {"base", "worker", "anew", "server", "forkserver", "forked"}
    run.start_and_wait()
    assert (run.pid("base"), run.pid("worker")) == (base, worker)
    assert run.pid("anew") != anew
    assert processes.find(anew) is None
    assert run.hello() == b"hello"


def test_an_adopted_child_starts_again_when_it_dies(run: Run) -> None:
    first = run.start_and_wait()
    first.kill()
    first.wait()
    run.start_and_wait()
    before = run.pid("worker")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: run.pid("worker") not in (before, 0) and run.all_ready(), "worker is back")


def test_children_that_died_with_the_supervisor_start_anew(run: Run) -> None:
    first = run.start_and_wait()
    pids = [run.pid(name) for name in ("base", "worker", "anew", "server")]
    first.kill()
    for pid in pids:
        os.killpg(pid, signal.SIGKILL)
    first.wait()
    run.start_and_wait()
    assert not set(pids) & {run.pid(name) for name in ("base", "worker", "anew", "server")}


def test_what_a_killed_supervisor_left_can_be_stopped(run: Run) -> None:
    first = run.start_and_wait()
    first.kill()
    first.wait()
    assert run.start("--stop", "killed").wait(20) == 0
    assert run.left() == []
    assert run.events()[-2:] == ["guests-killed", "stop-base"]


def test_a_second_supervisor_refuses(run: Run) -> None:
    run.start_and_wait()
    assert run.start().wait(20) == 9
    assert run.all_ready()


def test_the_socket_outlives_the_process_that_serves_it(run: Run) -> None:
    run.start_and_wait()
    before = run.pid("server")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: processes.find(before) is None, "it is dead")
    # Asked while nobody serves: the connection waits in the socket's queue and is answered.
    assert run.hello() == b"hello"
    assert run.pid("server") != before


def test_orphans_are_buried(run: Run) -> None:
    """A guest outlives the daemon that started it, and process 1 of a container buries nobody."""
    run.start_and_wait()
    orphan = int((run.directory / "orphan").read_text())
    eventually(lambda: not Path(f"/proc/{orphan}").exists(), "not even a zombie is left")


def test_full_logs_are_turned_over(run: Run) -> None:
    log_dir = run.directory / "log"
    path = log_dir / "noisy.log"
    with logs.opened(log_dir, "noisy") as log:
        for number in range(1, 6):
            log.write(b"x" * (logs.ROTATE_AT_BYTES + number))
            logs.rotate(log_dir)
        log.write(b"last line\n")
    assert path.read_bytes() == b"last line\n"
    kept = sorted(log_dir.glob("noisy.log.*"))
    assert [old.name for old in kept] == ["noisy.log.1", "noisy.log.2", "noisy.log.3"]
    assert kept[0].stat().st_size == logs.ROTATE_AT_BYTES + 5


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen(["sleep", "60"])
    process = processes.find(child.pid)
    assert process and process.alive
    child.kill()
    eventually(lambda: not process.alive, "the zombie counts as dead")
    assert processes.find(child.pid) is None
    child.wait()


def test_a_forked_part_is_the_supervisors_own(run: Run) -> None:
    supervisor = run.start_and_wait()
    assert run.hello(run.forked_port) == b"forked"
    assert (run.directory / "part").read_text() == f"given False True 27 {supervisor.pid}"
    assert logs.tail(run.directory / "log", "forked", 1) == ["said by the part"]
    first = run.pid("forked")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: run.pid("forked") not in (first, 0) and run.all_ready(), "the part is back")
    assert run.hello(run.forked_port) == b"forked"


def test_a_forked_part_outlives_its_fork_server_and_tells_how_it_ended(run: Run) -> None:
    run.start_and_wait()
    part, server = run.pid("forked"), run.pid("forkserver")
    os.kill(server, signal.SIGKILL)
    eventually(lambda: run.pid("forkserver") not in (server, 0) and run.all_ready(), "another fork server")
    assert run.pid("forked") == part
    (run.directory / "part-ends").touch()
    run.hello(run.forked_port)
    why = eventually(lambda: run.children()["forked"]["why"], "the part has ended")
    assert why == "ended with status 3"
