"""What a build yields: the files, what a guest of them needs, and the manifest of what went in."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from volutus.errors import VolutusError

Progress = Callable[[str], None]


class BuildFailed(VolutusError):
    """The image could not be built; `message` says what to do about it."""

    code = "imagebuild.failed"


@dataclass(frozen=True)
class Package:
    """One Debian package that went into an image."""

    name: str
    version: str
    architecture: str


@dataclass(frozen=True)
class BuiltImage:
    """An image on disk. With `kernel` and `ramdisk` it can be booted directly, which under emulation saves
    the tens of seconds that BIOS and GRUB take to read them; `kernel_command_line` is what that kernel
    needs to find its root."""

    name: str
    disk: Path
    kernel: Path | None
    ramdisk: Path | None
    kernel_command_line: str
    default_user: str
    min_disk_gib: int
    min_ram_mib: int
    manifest: Path
    disk_format: str = "qcow2"
    os_distro: str = "debian"

    @property
    def build_id(self) -> str:
        """Differs when anything in the image does."""
        return _sha256(self.manifest)


def read_built(manifest: Path) -> BuiltImage:
    """The image that was built earlier, whose files lie beside its manifest."""
    try:
        told = json.loads(manifest.read_text())
        files: dict[str, Any] = {
            part: manifest.parent / told[part] if told[part] else None
            for part in ("disk", "kernel", "ramdisk")
        }
        same = ("name", "kernel_command_line", "default_user", "min_disk_gib", "min_ram_mib")
        values: dict[str, Any] = {name: told[name] for name in (*same, "disk_format", "os_distro")}
        return BuiltImage(manifest=manifest, **files, **values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildFailed(f"{manifest} is not the manifest of an image.", detail=str(error)) from error


def write_manifest(image: BuiltImage, packages: Sequence[Package]) -> None:
    """Write packages, versions and checksums beside the image. No date, so that equal builds are equal."""
    files = [path for path in (image.disk, image.kernel, image.ramdisk) if path is not None]
    document = {
        "name": image.name,
        "default_user": image.default_user,
        "kernel_command_line": image.kernel_command_line,
        "min_disk_gib": image.min_disk_gib,
        "min_ram_mib": image.min_ram_mib,
        "disk_format": image.disk_format,
        "os_distro": image.os_distro,
        "disk": image.disk.name,
        "kernel": image.kernel.name if image.kernel else None,
        "ramdisk": image.ramdisk.name if image.ramdisk else None,
        "files": {
            path.name: {"size": path.stat().st_size, "sha256": _sha256(path)} for path in sorted(files)
        },
        "packages": [asdict(package) for package in sorted(packages, key=lambda p: p.name)],
    }
    image.manifest.write_text(json.dumps(document, indent=1) + "\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
