"""Makes a picture of every page of the console at the width of a desktop and of a phone.

    python tools/screenshots.py [DIRECTORY] [LANGUAGE.THEME]

A cloud with simulated hosts is started for it, filled, and removed. Needs root, Chromium and its driver.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.console import tour  # noqa: E402
from tests.console.webdriver import Chromium  # noqa: E402

WIDTHS = {"desktop": 1280, "phone": 375}


def main(directory: Path, look: str) -> None:
    """All pages into the directory, named `PAGE-WIDTH.png`."""
    directory.mkdir(parents=True, exist_ok=True)
    with tour.cloud_for_browsers() as (cloud, tenant), Chromium.run() as browser:
        user = ""
        for stop in tour.fill(tenant):
            if stop.user != user:
                tour.sign_in(browser, cloud, stop.user)
                user = stop.user
            browser.command("Network.setCookie", name="volutus_look", value=look, url=cloud.url)
            for width, pixels in WIDTHS.items():
                browser.resize(pixels)
                browser.open(f"{cloud.url}{stop.path}")
                (directory / f"{stop.name}-{width}.png").write_bytes(browser.picture())


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / ".cache" / "screenshots"),
        sys.argv[2] if len(sys.argv) > 2 else "en.light",
    )
