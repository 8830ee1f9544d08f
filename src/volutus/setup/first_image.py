"""The image every cloud starts with, built from Debian packages into `DIR/built` for the control plane to
take in.

A checkout keeps what it built, so that the next cloud on this machine starts with a copy.
"""

import contextlib
import hashlib
import os
import shutil
from importlib.resources import files
from pathlib import Path

from volutus.settings import Settings
from volutus.setup.progress import Progress

NAME = "micro"


def directory(settings: Settings) -> Path:
    """Where the built files of the first image are."""
    return settings.state_dir / "built"


def build(settings: Settings, progress: Progress) -> None:
    """Put the image into the state directory unless it is there."""
    target = directory(settings) / NAME
    if target.exists():
        return
    partial = target.with_name(f"{NAME}.new")
    if partial.exists():
        shutil.rmtree(partial)
    partial.parent.mkdir(parents=True, exist_ok=True)
    kept = keep(progress)
    if kept is None:
        _build(partial, progress)
    else:
        shutil.copytree(kept, partial)
    partial.rename(target)


def keep(progress: Progress) -> Path | None:
    """Build the image into the checkout unless it is there; None where the checkout cannot be written to."""
    package = Path(str(files("volutus.imagebuild")))
    root = package.parent.parent.parent
    if not os.access(root, os.W_OK):
        return None
    kept = root / ".cache" / "images" / _version(package) / NAME
    if kept.exists():
        return kept
    partial = kept.with_name(f"{NAME}.{os.getpid()}")
    try:
        _build(partial, progress)
        with contextlib.suppress(OSError):  # Another `up` was faster.
            partial.rename(kept)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return kept


def _build(target: Path, progress: Progress) -> None:
    from volutus.imagebuild import build as build_image

    target.mkdir(parents=True)
    with progress.step(f"the first image, {NAME}, from Debian packages"):
        build_image(NAME, target, lambda text: progress.show(f"image {NAME}: {text}"))


def _version(package: Path) -> str:
    """Of the builder: a changed recipe makes a new image."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]
