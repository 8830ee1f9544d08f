"""A guest of a built image under plain QEMU, for tests: no libvirt, no OVN, nothing of the product."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

from volutus.imagebuild import BuiltImage

BOOT_TIMEOUT_S = 180

_METADATA_SERVER = """
import pathlib, sys
path = sys.stdin.readline().split()[1]
while sys.stdin.readline().strip():
    pass
file = pathlib.Path(sys.argv[1] + path)
if file.is_file():
    body = file.read_bytes()
    status = "200 OK"
else:
    body, status = b"", "404 Not Found"
sys.stdout.buffer.write(f"HTTP/1.0 {status}\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n".encode() + body)
"""


def write_metadata(directory: Path, document: dict, user_data: str = "") -> Path:
    """The tree that a config drive holds and the metadata service serves."""
    latest = directory / "openstack/latest"
    latest.mkdir(parents=True)
    latest.joinpath("meta_data.json").write_text(json.dumps(document))
    if user_data:
        latest.joinpath("user_data").write_text(user_data)
    return directory


class Guest:
    """Boots on entering, is killed on leaving."""

    def __init__(self, image: BuiltImage, directory: Path, *, disk_gib: int = 1) -> None:
        self.directory = directory
        self.console = directory / "console.log"
        self._disk = directory / "disk.qcow2"
        if not self._disk.exists():
            backing = ["-b", str(image.disk), "-F", "qcow2"]
            subprocess.run(
                ["qemu-img", "create", "-q", "-f", "qcow2", *backing, self._disk, f"{disk_gib}G"], check=True
            )
        self.key = directory / "key"
        if not self.key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        self._port = _free_port()
        self._command = [
            "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=64", "-cpu", "max",
            "-m", "256", "-display", "none", "-nodefaults", "-serial", f"file:{self.console}",
            "-drive", f"if=none,id=disk,file={self._disk},format=qcow2",
            "-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci",
            "-kernel", str(image.kernel), "-initrd", str(image.ramdisk), "-append", image.kernel_command_line,
        ]  # fmt: skip
        self._network = f"user,id=net,hostfwd=tcp:127.0.0.1:{self._port}-:22"

    @property
    def public_key(self) -> str:
        return self.key.with_suffix(".pub").read_text()

    def with_config_drive(self, tree: Path) -> "Guest":
        """Attach the tree as an ISO 9660 volume on a virtio disk."""
        iso = self.directory / "config.iso"
        subprocess.run(["genisoimage", "-quiet", "-r", "-J", "-V", "config-2", "-o", iso, tree], check=True)
        self._command += [
            "-drive", f"if=none,id=config,file={iso},format=raw,readonly=on",
            "-device", "virtio-blk-pci,drive=config",
        ]  # fmt: skip
        return self

    def with_metadata_service(self, tree: Path) -> "Guest":
        """Serve the tree at 169.254.169.254, as seen from the guest."""
        server = self.directory / "metadata.py"
        server.write_text(_METADATA_SERVER)
        forward = f"guestfwd=tcp:169.254.169.254:80-cmd:{sys.executable} {server} {tree}"
        self._network += f",net=169.254.169.0/24,{forward}"
        return self

    def __enter__(self) -> "Guest":
        self.console.unlink(missing_ok=True)
        network = ["-netdev", self._network, "-device", "virtio-net-pci,netdev=net"]
        self._process = subprocess.Popen([*self._command, *network])
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def wait_for(self, text: str) -> None:
        """Wait until the console has said it."""
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while text not in self.said():
            assert self._process.poll() is None, f"QEMU ended:\n{self.said()}"
            assert time.monotonic() < deadline, f"no {text!r} on the console:\n{self.said()}"
            time.sleep(0.2)

    def said(self) -> str:
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def ended(self) -> bool:
        """Wait for the guest to switch itself off."""
        return self._process.wait(timeout=60) == 0

    def ssh(self, command: str, *, user: str = "volutus", options: tuple[str, ...] = ()) -> str:
        done = self.try_ssh(command, user=user, options=options)
        assert done.returncode == 0, f"{command}: {done.stderr}\n{self.said()}"
        return done.stdout.strip()

    def try_ssh(
        self, command: str, *, user: str = "volutus", options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        fixed = (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "ConnectTimeout=30",
            "BatchMode=yes",
        )
        flags = [part for option in (*options, *fixed) for part in ("-o", option)]
        return subprocess.run(
            ["ssh", "-q", "-i", self.key, "-p", str(self._port), *flags, f"{user}@127.0.0.1", command],
            capture_output=True,
            text=True,
            timeout=60,
        )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
