"""The directory of each guest: sockets, console log, config drive. QEMU's user owns it, so a guest that broke
out of its QEMU finds there only what was its own.

The config drive is made by genisoimage: a small program that Debian has, 20 ms a run, while a Python library
would stay in the agent's memory for ever.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from volutus.agent.faults import HostFault

# The rest of the tree is EC2's as HTTP shows it, where a directory's listing has the directory's own name.
CONFIG_DRIVE_TREES = ("openstack/", "ec2/")
CONFIG_DRIVE_TIMEOUT_S = 30


class GuestFiles:
    """Directories below `agent_dir/guests`, which QEMU sees below `view/guests`."""

    def __init__(self, agent_dir: Path, view: Path, qemu_user: str) -> None:
        self._agent_dir = agent_dir
        self._view = view
        account = pwd.getpwnam(qemu_user)
        self._uid, self._gid = account.pw_uid, account.pw_gid
        self._guests = agent_dir / "guests"
        self._guests.mkdir(parents=True, exist_ok=True)
        self._guests.chmod(0o711)

    def known(self) -> frozenset[str]:
        """Guests that have a directory."""
        return frozenset(entry.name for entry in self._guests.iterdir())

    def path(self, guest_id: str, name: str) -> Path:
        """A file of the guest, for the agent."""
        return self._guests / guest_id / name

    def seen(self, path: Path) -> Path:
        """A file below the agent's directory, as QEMU sees it."""
        return self._view / path.relative_to(self._agent_dir)

    def prepare(self, guest_id: str) -> None:
        """Make the directory and an empty console log, or find them."""
        directory = self._guests / guest_id
        directory.mkdir(exist_ok=True)
        log = directory / "console.log"
        log.touch()
        for path in (directory, log):
            os.chown(path, self._uid, self._gid)
        directory.chmod(0o700)
        log.chmod(0o600)

    def own_copy(self, guest_id: str, name: str, template: Path) -> Path:
        """A file that the guest may write, a copy of the template the first time."""
        path = self.path(guest_id, name)
        if not path.exists():
            fresh = path.with_suffix(".new")
            try:
                shutil.copyfile(template, fresh)
            except FileNotFoundError as error:
                raise HostFault("This host has no UEFI firmware.", str(error)) from error
            os.chown(fresh, self._uid, self._gid)
            fresh.chmod(0o600)
            os.replace(fresh, path)
        return path

    def write_config_drive(self, guest_id: str, tree: Mapping[str, str]) -> Path:
        """An ISO image labelled `config-2` of the metadata tree; the same path each time."""
        path = self.path(guest_id, "config.iso")
        with tempfile.TemporaryDirectory(prefix="volutus-") as scratch:
            for name, content in tree.items():
                if not name.startswith(CONFIG_DRIVE_TREES):
                    continue
                file = Path(scratch, name)
                if not file.resolve().is_relative_to(Path(scratch).resolve()):
                    raise HostFault("The metadata has a path outside its tree.", name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
            fresh = path.with_suffix(".new")
            command = ["genisoimage", "-quiet", "-o", str(fresh), "-V", "config-2", "-J", "-r", "-l", scratch]
            _run(command)
        os.chown(fresh, self._uid, self._gid)
        fresh.chmod(0o400)
        os.replace(fresh, path)
        return path

    def remove(self, guest_id: str) -> None:
        """The whole directory."""
        shutil.rmtree(self._guests / guest_id, ignore_errors=True)
        if (self._guests / guest_id).exists():
            raise HostFault("The guest's files could not be removed.", str(self._guests / guest_id))


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=CONFIG_DRIVE_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        detail = error.stderr.decode(errors="replace")
        raise HostFault("The config drive could not be made.", detail) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostFault("The config drive could not be made.", str(error)) from error
