"""Guest images made from Debian packages, for clouds that may not download an image from anywhere.

Everything here works as root or not, and without mounting, loop devices or entering the new system: file
systems are filled by `mke2fs -d`, owners and modes are set by `debugfs`, GRUB is written into the gap before
the first partition. It knows nothing of the rest of the product; registering what was built is the image
domain's business.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from volutus.errors import NotFound
from volutus.imagebuild.built import BuildFailed, BuiltImage, Progress, read_built
from volutus.imagebuild.debian12 import build_debian12
from volutus.imagebuild.micro.recipe import build_micro

__all__ = ["RECIPES", "BuildFailed", "BuiltImage", "build", "read_built"]

RECIPES: Mapping[str, Callable[[Path, Progress], BuiltImage]] = {
    "micro": build_micro,
    "debian-12": build_debian12,
}


class UnknownRecipe(NotFound):
    code = "imagebuild.unknown_recipe"


def build(name: str, out: Path, progress: Progress) -> BuiltImage:
    """Build the image `name` into the directory `out`; `progress` is told each step in words."""
    recipe = RECIPES.get(name)
    if recipe is None:
        raise UnknownRecipe(f"There is no image recipe {name!r}; there are {', '.join(sorted(RECIPES))}")
    out.mkdir(parents=True, exist_ok=True)
    return recipe(out.absolute(), progress)
