"""From a page's values to HTML: one set of templates, escaping on, no script and no style within a page."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse, Response

from volutus.console.shapes import Listing, when
from volutus.console.visits import Visit

MENU = (
    ("/", "Overview"),
    ("/servers", "Servers"),
    ("/volumes", "Volumes"),
    ("/images", "Images"),
    ("/networks", "Networks"),
    ("/routers", "Routers"),
    ("/floating-ips", "Floating IPs"),
    ("/security-groups", "Security groups"),
    ("/key-pairs", "Key pairs"),
)
# What a page says after a form was taken; the address only ever carries the name.
DONE = {
    "created": "Ordered. It is in the list below.",
    "deleted": "Deletion ordered.",
    "changed": "Done.",
    "signed-out": "You are signed out.",
}
# How states look: what is not here is neither good nor bad.
_GOOD = {"active", "available", "in-use", "up"}
_BAD = {"error", "error_deleting", "down", "killed"}
STYLE = "console.css"
MARK = "mark.svg"
SCRIPT = "htmx.min.js"


class Renderer:
    """Templates, and the two assets by address: the address changes with the content, so browsers may keep
    them."""

    def __init__(self, assets: Path) -> None:
        own = files("volutus.console").joinpath("static")
        self.content = {name: own.joinpath(name).read_bytes() for name in (STYLE, MARK)}
        if (assets / SCRIPT).exists():
            self.content[SCRIPT] = (assets / SCRIPT).read_bytes()
        self._environment = Environment(
            loader=PackageLoader("volutus.console"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"when": when, "tone": tone}
        self._environment.globals |= {
            "menu": MENU,
            "style": self._address(STYLE),
            "mark": self._address(MARK),
            "script": self._address(SCRIPT) if SCRIPT in self.content else "",
        }

    def page(
        self, template: str, visit: Visit | None = None, *, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """A page; of somebody signed in if there is a visit."""
        problem = visit.problem if visit else None
        done = DONE.get(visit.asked("done"), "") if visit and not problem else ""
        known = {
            "visit": visit,
            "session": visit.session if visit else None,
            "problem": problem,
            "done": done,
        }
        text = self._environment.get_template(template).render(**{**known, **values})
        return HTMLResponse(text, problem.status if problem else status)

    def listing(self, visit: Visit, listing: Listing) -> HTMLResponse:
        """The page of a list."""
        return self.page("listing.html", visit, listing=listing)

    def _address(self, name: str) -> str:
        return f"/static/{name}?{hashlib.sha256(self.content[name]).hexdigest()[:12]}"


@dataclass(frozen=True)
class Page:
    """`show` answers a visit, `act` takes the page's forms (which are posted to the page itself). Pages
    `without_project` serve those who have not chosen one."""

    path: str
    show: Callable[[Renderer, Visit], Awaitable[Response]]
    act: Callable[[Renderer, Visit], Awaitable[Response]] | None = None
    without_project: bool = False

    @property
    def methods(self) -> list[str]:
        return ["GET", "POST"] if self.act else ["GET"]


def tone(state: str) -> str:
    """`good`, `bad`, `busy` or `still`: the class that colours a state."""
    word = state.lower()
    if word in _GOOD:
        return "good"
    if word in _BAD:
        return "bad"
    return "busy" if is_busy(state) else "still"


def is_busy(state: str) -> bool:
    """Whether a state will change by itself."""
    word = state.lower()
    return word.endswith("ing") or word in ("build", "rebuild", "reboot", "hard_reboot", "resize", "queued")
