"""Imports go down one line only; a domain's tables are its own; the agent knows nothing of the control
plane."""

import subprocess
import sys
from pathlib import Path

from tests.rules.sources import ROOT, imported, modules, report


def test_layers_of_the_design() -> None:
    """The contracts are in `.importlinter`."""
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [str(program), "--no-cache", "--config", str(ROOT / ".importlinter")],
        cwd=ROOT / "src",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_tables_are_imported_by_their_own_domain() -> None:
    found = [
        f"{module.at(node)}: imports {name}; call a verb of `volutus.{name.split('.')[1]}` instead"
        for module in modules()
        for name, node in imported(module)
        if name.startswith("volutus.") and ".tables" in name and name.split(".")[1] != module.package
    ]
    assert not found, report(found)


def test_every_package_is_in_a_layer() -> None:
    """A new package without a place would escape the contracts."""
    text = (ROOT / ".importlinter").read_text()
    packages = {module.package for module in modules()} - {"", "__main__"}
    found = [
        f"volutus/{name}: not in `.importlinter`; give it a layer"
        for name in packages
        if f"volutus.{name}" not in text
    ]
    assert not found, report(found)
