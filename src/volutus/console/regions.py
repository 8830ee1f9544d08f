"""Several regions: which there are for a session, and the page where one is chosen."""

import asyncio
from urllib.parse import urlsplit

from starlette.responses import Response

from volutus.console.api import Api, ApiProblem
from volutus.console.catalog import Reach, reach
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.sessions import Session
from volutus.console.visits import Visit, safe_path, see

# So long an endpoint may still be called after it left the catalogue.
BELIEVED_S = 15.0
# Of so many tokens one process remembers the catalogue; beyond this it asks for all of them anew.
REMEMBERED_MAX = 1000
_CATALOG = "/identity/v3/auth/catalog"


class Regions:
    """What this process knows of catalogues. `home` is the region of this cloud's own services."""

    def __init__(self, home: str) -> None:
        self.home = home
        self._known: dict[str, tuple[float, Reach]] = {}

    async def of(self, api: Api, session: Session) -> Reach:
        """The regions of a session's catalogue; a token without a project has none. Raises ApiProblem."""
        if not session.project:
            return Reach(self.home)
        now = asyncio.get_running_loop().time()
        until, known = self._known.get(session.token, (0.0, Reach(self.home)))
        if until > now:
            return known
        found = reach(self.home, await api.items(_CATALOG, "catalog"), session.project_id)
        if len(self._known) >= REMEMBERED_MAX:
            self._known.clear()
        self._known[session.token] = (now + BELIEVED_S, found)
        return found


async def show(renderer: Renderer, visit: Visit) -> Response:
    """All regions, and where they are."""
    hosts = {visit.reach.home: visit.request.url.netloc}
    for name, region in visit.reach.others.items():
        hosts[name] = ", ".join(sorted({urlsplit(base).netloc for base in region.bases.values()}))
    place = safe_path(visit.asked("next") or visit.sent("next") or "/")
    return renderer.page("regions.html", visit, hosts=hosts, next=place)


async def choose(_renderer: Renderer, visit: Visit) -> Response:
    """Go on in a region of the catalogue."""
    chosen = visit.sent("region")
    if chosen not in visit.reach.names:
        raise ApiProblem(404, _("The catalogue has no region %(name)s.", name=chosen), "")
    visit.session = visit.session.looking_at("" if chosen == visit.reach.home else chosen)
    return see(safe_path(visit.sent("next")))


PAGE = Page("/regions", show, choose)
