"""From a page's values to HTML: one set of templates, escaping on, no script and no style within a page."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse, Response

from volutus.console import language, look
from volutus.console.assets import MARK, SCRIPT, STYLE, Assets
from volutus.console.language import N_
from volutus.console.menu import place_of, shown_menu
from volutus.console.money import meter_name, plain
from volutus.console.shapes import Sheet, in_region, took, when
from volutus.console.states import state_name, tone
from volutus.console.visits import Visit

# What a page says after a form was taken; the address only ever carries the name.
DONE = {
    "created": N_("Ordered. It is in the list below."),
    "deleted": N_("Deletion ordered."),
    "changed": N_("Done."),
}
_LIBRARIES = ("htmx.min.js", "idiomorph.min.js")
_LIVE = "live"


class Renderer:
    """The templates, and the assets they name."""

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self.environment = Environment(
            loader=PackageLoader("volutus.console"),
            extensions=["jinja2.ext.i18n"],
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            # Templates and code are of one version: neither changes while this runs.
            auto_reload=False,
        )
        self.environment.install_gettext_callables(  # type: ignore[attr-defined]
            language.lookup, language.ngettext, newstyle=True
        )
        self.environment.filters |= {
            "in_region": in_region,
            "took": took,
            "when": when,
            "tone": tone,
            "state_name": state_name,
            "meter_name": meter_name,
            "plain": plain,
        }
        scripts = [assets.address(name) for name in (*_LIBRARIES, SCRIPT)]
        self.environment.globals |= {
            "asset": assets.address,
            "style": assets.address(STYLE),
            "mark": assets.address(MARK),
            "scripts": [address for address in scripts if address],
            "languages": language.LANGUAGES,
            "themes": look.THEMES,
        }
        self.environment.globals["parts"] = self.environment.get_template("parts.html").module

    def page(
        self,
        template: str,
        visit: Visit,
        *,
        status: int = 200,
        busy: bool = False,
        **values: Any,
    ) -> HTMLResponse:
        """A page, or of it the part that changes by itself."""
        visit.busy = busy
        session = visit.session if visit.session.token else None
        problem = visit.problem
        known = {
            "visit": visit,
            "session": session,
            "problem": problem,
            "done": "" if problem else language.lookup(DONE.get(visit.asked("done"), "")),
            "menu": shown_menu(visit),
            "place": place_of(visit),
            "several_regions": len(visit.reach.names) > 1,
            "look": visit.look,
        }
        found = self.environment.get_template(template)
        everything = {**known, **values}
        if visit.live_only and _LIVE in found.blocks:
            return HTMLResponse("".join(found.blocks[_LIVE](found.new_context(everything))))
        return HTMLResponse(found.render(**everything), problem.status if problem else status)

    def sheet(self, visit: Visit, sheet: Sheet) -> HTMLResponse:
        """A page of tables and facts."""
        return self.page("sheet.html", visit, busy=sheet.busy, sheet=sheet)


@dataclass(frozen=True)
class Page:
    """`show` answers a visit, `act` takes the page's forms (which are posted to the page itself). Pages
    `without_project` serve those who have not chosen one; `open` ones serve everybody."""

    path: str
    show: Callable[[Renderer, Visit], Awaitable[Response]]
    act: Callable[[Renderer, Visit], Awaitable[Response]] | None = None
    without_project: bool = False
    open: bool = False

    @property
    def methods(self) -> list[str]:
        return ["GET", "POST"] if self.act else ["GET"]
