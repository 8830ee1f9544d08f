"""The image every cloud starts with, built from Debian packages into `DIR/built` for the control plane to
take in.

A checkout keeps what it built, so that the next cloud on this machine starts with a copy.
"""

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
    """Build the image unless this version's is there."""
    target = directory(settings) / NAME
    if target.exists():
        return
    from volutus import imagebuild

    partial = target.with_name(f"{NAME}.new")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    kept = _kept()
    if not (kept / NAME).exists():
        with progress.step(f"the first image, {NAME}, from Debian packages"):
            imagebuild.build(NAME, partial, lambda text: progress.show(f"image {NAME}: {text}"))
        _keep(partial, kept)
    else:
        shutil.copytree(kept / NAME, partial, dirs_exist_ok=True)
    partial.rename(target)


def _keep(built: Path, kept: Path) -> None:
    if not os.access(kept.parent.parent.parent, os.W_OK):
        return
    partial = kept / f"{NAME}.{os.getpid()}"
    shutil.copytree(built, partial)
    try:
        partial.rename(kept / NAME)
    except OSError:
        shutil.rmtree(partial)  # Another `up` was faster.


def _kept() -> Path:
    """In the checkout, by the builder's version: a changed recipe makes a new image."""
    package = Path(str(files("volutus.imagebuild")))
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return package.parent.parent / ".cache" / "images" / digest.hexdigest()[:16]
