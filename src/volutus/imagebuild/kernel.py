"""A kernel from its Debian package: the modules a guest needs, with what they depend on, in loading order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from volutus.imagebuild.built import BuildFailed
from volutus.imagebuild.tools import run
from volutus.imagebuild.tree import GuestTree


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel package: `stage` is where, `release` what `uname -r` will say."""

    stage: Path
    release: str

    @property
    def image(self) -> Path:
        return self.stage / f"boot/vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        return self.stage / f"lib/modules/{self.release}"

    def loading_order(self, names: Sequence[str]) -> list[Path]:
        """The modules' files, each after those it depends on. Names that are built in or that this kernel
        does not have yield nothing: kernels differ in what they build in."""
        dependencies = self._dependencies()
        order: dict[Path, None] = {}
        for name in names:
            for path in dependencies.get(name, ()):
                order.setdefault(self.modules / path)
        return list(order)

    def install_modules(self, names: Sequence[str], tree: GuestTree) -> None:
        """Copy the modules into the guest with the tables that `modprobe` reads."""
        base = f"/usr/lib/modules/{self.release}"
        for path in self.loading_order(names):
            tree.copy(path, f"{base}/{path.relative_to(self.modules)}", 0o644)
        for table in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            tree.copy(self.modules / table, f"{base}/{table}", 0o644)
        run(["depmod", "-b", tree.root, self.release])
        for made in tree.root.joinpath(base[1:]).glob("modules.*"):
            tree.write(f"{base}/{made.name}", made.read_bytes())

    def _dependencies(self) -> dict[str, list[str]]:
        table: dict[str, list[str]] = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            path, _, needs = line.partition(":")
            name = Path(path).name.split(".ko")[0].replace("-", "_")
            # depmod lists what is needed nearest first; loading wants the farthest first.
            table[name] = [*reversed(needs.split()), path]
        return table


def open_kernel(stage: Path) -> Kernel:
    """The one kernel unpacked in `stage`."""
    releases = [path.name for path in (stage / "lib/modules").glob("*")]
    if len(releases) != 1:
        raise BuildFailed(f"expected one kernel, found {len(releases)}")
    run(["depmod", "-b", stage, releases[0]])
    return Kernel(stage=stage, release=releases[0])
