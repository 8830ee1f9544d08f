"""Debian packages as a source of files: found and downloaded by apt, unpacked, never installed.

Only the packages asked for and the libraries they depend on are fetched; maintainer scripts do not run.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from volutus.imagebuild.built import BuildFailed, Package, Progress
from volutus.imagebuild.tools import run

# By Debian's naming; what else is a dependency (debconf, perl, dpkg) only matters when installing.
LIBRARY = re.compile("z?lib")
NO_LIBRARY = re.compile("^libperl|-perl$|-common$")


@dataclass(frozen=True)
class Archive:
    """The apt archive with the options that choose its package lists."""

    options: tuple[str, ...]

    def dependency(self, metapackage: str, pattern: str) -> str:
        """The package that `metapackage` depends on and whose name matches `pattern`."""
        shown = run(["apt-cache", *self.options, "depends", "--important", metapackage])
        for line in shown.splitlines():
            name = line.strip().removeprefix("Depends: ")
            if re.fullmatch(pattern, name):
                return name
        raise BuildFailed(f"{metapackage} depends on no package like {pattern}", detail=shown)

    def with_libraries(self, names: Sequence[str]) -> list[str]:
        """`names` and every library package they depend on, directly or not."""
        shown = run(["apt-cache", *self.options, "depends", "--important", "--recurse", *names])
        reached = {line.strip() for line in shown.splitlines() if re.match(r"[a-z0-9]", line)}
        libraries = {name for name in reached if LIBRARY.match(name) and not NO_LIBRARY.search(name)}
        return sorted(libraries | set(names))

    def download(self, names: Sequence[str], directory: Path) -> list[Package]:
        """Put the packages' files into `directory` and say which versions they are."""
        directory.mkdir(parents=True, exist_ok=True)
        run(
            ["apt-get", "-q", "-o", "APT::Sandbox::User=root", *self.options, "download", *names],
            cwd=directory,
        )
        return [_package(path) for path in sorted(directory.glob("*.deb"))]


def open_archive(work: Path, progress: Progress) -> Archive:
    """The machine's own package lists when it has any, else lists fetched into `work`: no root needed."""
    if run(["apt-cache", "madison", "busybox-static"]).strip():
        return Archive(options=())
    progress("fetching package lists")
    for directory in ("lists/partial", "cache/archives/partial"):
        (work / directory).mkdir(parents=True, exist_ok=True)
    (work / "status").touch()
    options = (
        "-o", f"Dir::State::lists={work}/lists",
        "-o", f"Dir::State::status={work}/status",
        "-o", f"Dir::Cache={work}/cache",
    )  # fmt: skip
    run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", *options, "update"])
    return Archive(options=options)


def unpack(directory: Path, name: str, target: Path) -> None:
    """Unpack the downloaded package `name` into `target`."""
    found = list(directory.glob(f"{name}_*.deb"))
    if len(found) != 1:
        raise BuildFailed(f"package {name} was not downloaded")
    target.mkdir(parents=True, exist_ok=True)
    run(["dpkg-deb", "-x", found[0], target])


def _package(path: Path) -> Package:
    name, version, architecture = unquote(path.name.removesuffix(".deb")).split("_")
    return Package(name=name, version=version, architecture=architecture)
