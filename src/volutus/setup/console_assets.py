"""What the console sends to browsers besides its own style sheet: brought from the npm registry, as the lock
file says. Without it the console works all the same; its pages only do not refresh by themselves."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from volutus.settings import Settings
from volutus.setup.progress import Progress

SCRIPT = "htmx.min.js"
_WITHIN = Path("node_modules", "htmx.org", "dist", SCRIPT)
_LISTS = ("package.json", "package-lock.json")
# Two small packages: a registry that has not given them by then is not there.
_NPM_TIMEOUT_S = 120
_NPM = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
# `up` has somebody waiting, perhaps on a machine without a network: npm's own retries would take minutes.
_NPM_AT_ONCE = (*_NPM, "--fetch-retries=0", "--fetch-timeout=20000")


def directory(settings: Settings) -> Path:
    """Where the console looks for them."""
    return settings.state_dir / "console"


def keep(progress: Progress) -> None:
    """Put them beside the program, for every `up` after; where the program's own directory cannot be
    written, `up` brings them."""
    root = _root()
    if _listed(root) and os.access(root, os.W_OK):
        _install(root, _place(root, root / ".cache"), _NPM, progress)


def bring(settings: Settings, progress: Progress) -> None:
    """Put them into the state directory unless these very versions are there. Where there is no npm or no
    registry, say so and go on."""
    root = _root()
    if not _listed(root):
        return
    target = directory(settings)
    stamp = target / f".installed-{_version(root)}"
    if stamp.exists():
        return
    target.mkdir(mode=0o755, exist_ok=True)
    base = root / ".cache" if os.access(root, os.W_OK) else settings.state_dir
    script = _install(root, _place(root, base), _NPM_AT_ONCE, progress)
    if script is None:
        return
    shutil.copyfile(script, target / SCRIPT)
    for old in target.glob(".installed-*"):
        old.unlink()
    stamp.touch()


def _root() -> Path:
    return Path(str(files("volutus"))).parent.parent


def _listed(root: Path) -> bool:
    """Whether the program lies in its checkout, with the lists of what to bring."""
    return all((root / name).exists() for name in _LISTS)


def _place(root: Path, base: Path) -> Path:
    return base / f"console-{_version(root)}"


def _install(root: Path, place: Path, npm: Sequence[str], progress: Progress) -> Path | None:
    """The script within npm's own directory; None if npm could not bring it."""
    if (place / _WITHIN).exists():
        return place / _WITHIN
    if shutil.which(_NPM[0]) is None:
        _excuse("npm is not installed (apt-get install npm)")
        return None
    place.mkdir(parents=True, exist_ok=True)
    for name in _LISTS:
        shutil.copyfile(root / name, place / name)
    with progress.step("the console's script from the npm registry"):
        try:
            done = subprocess.run(
                npm, cwd=place, capture_output=True, text=True, timeout=_NPM_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            _excuse("npm took too long")
            return None
    if done.returncode != 0:
        _excuse(f"npm failed: {done.stderr.strip()[-300:]}")
        return None
    return place / _WITHIN


def _excuse(why: str) -> None:
    sys.stderr.write(f"  the console's pages will not refresh by themselves: {why}\n")


def _version(root: Path) -> str:
    return hashlib.sha256((root / _LISTS[1]).read_bytes()).hexdigest()[:16]
