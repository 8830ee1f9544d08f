"""What the console sends to browsers besides its own style sheet: brought from the npm registry, as the lock
file says. Without it the console works all the same; its pages only do not change by themselves, and there
are no screens of servers."""

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

_MODULES = "node_modules"
# What of each package, and below which name the pages ask for it.
_TAKEN = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "idiomorph/dist/idiomorph.min.js": "idiomorph.min.js",
    "uplot/dist/uPlot.iife.min.js": "uPlot.iife.min.js",
    "uplot/dist/uPlot.min.css": "uPlot.min.css",
    "@xterm/xterm/lib/xterm.js": "xterm.js",
    "@xterm/xterm/css/xterm.css": "xterm.css",
    "@xterm/addon-fit/lib/addon-fit.js": "addon-fit.js",
    "@novnc/novnc/core": "novnc/core",
    "@novnc/novnc/vendor": "novnc/vendor",
}
_DONE = ".done"
_LISTS = ("package.json", "package-lock.json")
# A few small packages: a registry that has not given them by then is not there.
_NPM_TIMEOUT_S = 120
_FOR_TESTS = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
_NPM = (*_FOR_TESTS, "--omit=dev")
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
    modules = _install(root, _place(root, base), _NPM_AT_ONCE, progress)
    if modules is None:
        return
    for taken, name in _TAKEN.items():
        _copy(modules / taken, target / name)
    for old in target.glob(".installed-*"):
        old.unlink()
    stamp.touch()


def checker(progress: Progress) -> Path | None:
    """The script that tests check pages with (axe), beside the program; None if npm could not bring it."""
    root = _root()
    modules = _install(root, root / ".cache" / f"console-dev-{_version(root)}", _FOR_TESTS, progress)
    return modules / "axe-core" / "axe.min.js" if modules else None


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def _root() -> Path:
    return Path(str(files("volutus"))).parent.parent


def _listed(root: Path) -> bool:
    """Whether the program lies in its checkout, with the lists of what to bring."""
    return all((root / name).exists() for name in _LISTS)


def _place(root: Path, base: Path) -> Path:
    return base / f"console-{_version(root)}"


def _install(root: Path, place: Path, npm: Sequence[str], progress: Progress) -> Path | None:
    """npm's own directory; None if npm could not fill it."""
    if (place / _DONE).exists():
        return place / _MODULES
    if shutil.which(_NPM[0]) is None:
        _excuse("npm is not installed (apt-get install npm)")
        return None
    place.mkdir(parents=True, exist_ok=True)
    for name in _LISTS:
        shutil.copyfile(root / name, place / name)
    with progress.step("the console's scripts from the npm registry"):
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
    (place / _DONE).touch()
    return place / _MODULES


def _excuse(why: str) -> None:
    sys.stderr.write(f"  the console's pages will not change by themselves: {why}\n")


def _version(root: Path) -> str:
    return hashlib.sha256((root / _LISTS[1]).read_bytes()).hexdigest()[:16]
