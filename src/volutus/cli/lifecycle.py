"""`up`, `down`, `destroy`, `status`, `install`: the life of a cloud on one machine."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from volutus import settings as settings_module
from volutus.cli import waiting
from volutus.errors import Invalid
from volutus.settings import Settings
from volutus.setup.progress import Progress
from volutus.supervise import control, processes, removal
from volutus.supervise.child import Guests
from volutus.supervise.supervisor import is_running


def up(arguments: argparse.Namespace) -> int:
    """Prepare the state directory and start the supervisor; the launcher has installed what was missing."""
    progress = Progress()
    settings = settings_module.current(arguments.state_dir, listen=arguments.listen)
    if is_running(settings.run_dir):
        waiting.until_ready(settings, progress)
        waiting.say_how_to_use(settings, "Volutus is already up")
        return 0
    _must_be_root()
    from volutus.setup import prepare

    settings = prepare.prepare(settings, progress)
    supervise = [sys.executable, "-m", "volutus.supervise", "--state-dir", str(settings.state_dir)]
    if arguments.detach:
        return _detach(settings, supervise, progress)
    wait = [sys.executable, "-m", "volutus", "status", "--wait", "--state-dir", str(settings.state_dir)]
    subprocess.Popen(wait)
    return _become(supervise)


def down(arguments: argparse.Namespace) -> int:
    """Stop everything; a cloud that is down already stays so."""
    _must_be_root()
    settings = settings_module.current(arguments.state_dir)
    stopped = _stop(settings, Guests.KEPT if arguments.keep_guests else Guests.STOPPED)
    sys.stdout.write("Volutus is down.\n" if stopped else "Volutus was not up.\n")
    return 0


def destroy(arguments: argparse.Namespace) -> int:
    """Stop everything and remove the state with all that was made on the machine."""
    _must_be_root()
    settings = settings_module.current(arguments.state_dir)
    if not settings.state_dir.exists():
        sys.stdout.write(f"There is nothing in {settings.state_dir}.\n")
        return 0
    _must_be_a_cloud(settings.state_dir)
    if not arguments.yes and sys.stdin.isatty() and not _confirmed(settings.state_dir):
        return 1
    # Their disks go with them: nothing is gained by asking them to shut down.
    _stop(settings, Guests.KILLED)
    removal.remove(settings)
    sys.stdout.write(f"Volutus and everything in {settings.state_dir} is gone.\n")
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Show each process; exit status 0 if all are ready, 3 if nothing runs, 1 otherwise."""
    settings = settings_module.current(arguments.state_dir)
    if arguments.wait:
        waiting.until_ready(settings, Progress(quiet=True))
        waiting.say_how_to_use(settings, "Volutus is up")
        return 0
    answer = control.ask(settings.run_dir, {"command": "status"}) if is_running(settings.run_dir) else None
    if answer is None:
        sys.stdout.write("null\n" if arguments.json else "Volutus is down.\n")
        return 3
    for child in answer["children"]:
        child["memory_kib"] = processes.memory_kib(child["pid"]) if child["pid"] else 0
    answer["memory_kib"] = processes.own_memory_kib(answer["pid"])
    sys.stdout.write(
        json.dumps(answer, indent=1) + "\n" if arguments.json else waiting.table(settings, answer)
    )
    return 0 if all(waiting.is_ready(child) for child in answer["children"]) else 1


def install(_: argparse.Namespace) -> int:
    """The launcher has installed the packages before this runs; left is what `up` needs besides them."""
    from volutus.setup import console_assets, first_image

    progress = Progress()
    first_image.keep(progress)
    console_assets.keep(progress)
    sys.stdout.write(f"Everything is installed; the Python environment is {sys.prefix}.\n")
    return 0


def _detach(settings: Settings, command: list[str], progress: Progress) -> int:
    with open(settings.log_dir / "supervisor.log", "ab") as log:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        waiting.until_ready(settings, progress)
    except waiting.NotReady as error:
        progress.clear()
        _stop(settings, Guests.KEPT)
        sys.stderr.write(f"volutus: {error}\n")
        return 1
    waiting.say_how_to_use(settings, "Volutus is up")
    return 0


def _become(command: list[str]) -> NoReturn:
    os.execv(command[0], command)  # noqa: S606 the words are our own, and no shell reads them


def _stop(settings: Settings, guests: Guests) -> bool:
    """Whether anything ran. A killed supervisor's children are taken over first, to be stopped in order."""
    if not settings.run_dir.exists():
        return False
    progress = Progress()
    if is_running(settings.run_dir):
        control.ask(settings.run_dir, {"command": "stop", "guests": guests.value})
    elif removal.left_running(settings):
        supervise = [sys.executable, "-m", "volutus.supervise", "--state-dir", str(settings.state_dir)]
        command = [*supervise, "--stop", guests.value]
        with open(settings.log_dir / "supervisor.log", "ab") as log:
            # It stops what was left and ends; its lock alone would not tell that it has begun.
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
    else:
        return False
    waiting.until_down(settings, progress)
    return True


def _must_be_root() -> None:
    if os.geteuid() != 0:
        raise Invalid("this makes network devices and runs guests: run it as root")


def _must_be_a_cloud(state_dir: Path) -> None:
    """Guards against `destroy --state-dir /home`."""
    if not (state_dir / settings_module.FILE_NAME).exists():
        raise Invalid(
            f"{state_dir} is not a state directory of Volutus: it has no {settings_module.FILE_NAME}"
        )


def _confirmed(state_dir: Path) -> bool:
    sys.stdout.write(f"All servers, volumes, images and accounts in {state_dir} will be gone. Type yes: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip() == "yes"
