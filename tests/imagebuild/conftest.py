"""One build of `micro` for all tests, and a way to look into its root file system without booting it."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from volutus.imagebuild import BuiltImage, build


@dataclass(frozen=True)
class Entry:
    """What the file system says of one path."""

    kind: str
    mode: int
    uid: int
    gid: int


class FileSystem:
    """The first partition of an image, read by debugfs."""

    def __init__(self, raw: Path) -> None:
        self._device = f"{raw}?offset={1 << 20}"

    def stat(self, path: str) -> Entry | None:
        told = self._ask(f'stat "{path}"')
        found = re.search(r"Type: (\w+)\s+Mode:\s+(\d+)", told)
        owner = re.search(r"User:\s+(\d+)\s+Group:\s+(\d+)", told)
        if not found or not owner:
            return None
        return Entry(found[1], int(found[2], 8), int(owner[1]), int(owner[2]))

    def read(self, path: str) -> str:
        return self._ask(f'cat "{path}"')

    def names(self, path: str) -> set[str]:
        return {line.split("/")[5] for line in self._ask(f'ls -p "{path}"').splitlines() if line} - {
            ".",
            "..",
        }

    def label(self) -> str:
        return re.search(r"volume name:\s+(\S+)", self._ask("show_super_stats -h"))[1]

    def _ask(self, command: str) -> str:
        done = subprocess.run(
            ["/usr/sbin/debugfs", "-R", command, self._device], capture_output=True, text=True, check=True
        )
        return done.stdout


@pytest.fixture(scope="session")
def micro(tmp_path_factory: pytest.TempPathFactory) -> BuiltImage:
    return build("micro", tmp_path_factory.mktemp("micro"), lambda step: None)


@pytest.fixture(scope="session")
def root(micro: BuiltImage, tmp_path_factory: pytest.TempPathFactory) -> FileSystem:
    raw = tmp_path_factory.mktemp("raw") / "micro.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", micro.disk, raw], check=True)
    return FileSystem(raw)
