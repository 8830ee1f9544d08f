#!/usr/bin/env python3
"""Makes the lock files, or tells which of them no longer fits what it was made from.

    tools/lock.py           ask the package index for the newest versions that fit, write all locks
    tools/lock.py --check   needs no network: each lock's first line names the digest of its input

A lock has exact versions and hashes and names no host, so it installs the same from any mirror.
"""

import hashlib
import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON_VERSION = "3.11"
FIRST_LINE = "# Made by `make lock` from input sha256:"
UV = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "--quiet", "--universal"]
UV += [
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
    "--no-annotate",
    "--python-version",
    PYTHON_VERSION,
]


@dataclass(frozen=True)
class Lock:
    """`constraint` is another lock whose versions this one shares."""

    name: str
    requirements: tuple[str, ...]
    constraint: str | None = None

    @property
    def first_line(self) -> str:
        described = json.dumps([self.requirements, self.constraint, PYTHON_VERSION])
        return FIRST_LINE + hashlib.sha256(described.encode()).hexdigest()

    @property
    def path(self) -> Path:
        return ROOT / self.name


def locks() -> list[Lock]:
    """All of them, those that constrain others first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    run, develop = project["dependencies"], project["optional-dependencies"]["dev"]
    client = (ROOT / "tests/live/client-requirements.txt").read_text().split()
    return [
        Lock("requirements.lock", tuple(run)),
        Lock("requirements-dev.lock", (*run, *develop), "requirements.lock"),
        Lock("requirements-client.lock", tuple(client)),
    ]


def write(lock: Lock) -> None:
    """Resolve and write one lock."""
    constraint = ["--constraint", lock.constraint] if lock.constraint else []
    done = subprocess.run(
        [*UV, *constraint, "-"],
        input="\n".join(lock.requirements),
        cwd=ROOT,
        text=True,
        check=True,
        stdout=subprocess.PIPE,
    )
    lock.path.write_text(f"{lock.first_line}\n{done.stdout}")


def stale() -> list[str]:
    """What is wrong with the locks, each with its mend."""
    found = []
    for lock in locks():
        lines = lock.path.read_text().splitlines() if lock.path.exists() else [""]
        if lines[0] != lock.first_line:
            found.append(f"{lock.name}:1: does not fit its requirements any more; run `make lock`")
        found += [
            f"{lock.name}:{number}: names a host; locks must install from any mirror"
            for number, line in enumerate(lines, start=1)
            if "://" in line
        ]
    return found


def main() -> int:
    """Write, or with `--check` only look."""
    if "--check" not in sys.argv:
        for lock in locks():
            write(lock)
        return 0
    found = stale()
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
