"""Receives visitors: finds their session, takes their forms, shows what went wrong."""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from volutus.console import look, settings, sign_in
from volutus.console.api import Api, ApiProblem
from volutus.console.catalog import Region
from volutus.console.far import Far
from volutus.console.files import passed_on
from volutus.console.language import _
from volutus.console.look import look_of
from volutus.console.records import Records
from volutus.console.regions import Regions
from volutus.console.rendering import Page, Renderer
from volutus.console.sessions import Sealer, Session
from volutus.console.sign_in import IdentityProvider
from volutus.console.visits import (
    Refused,
    Visit,
    last_values,
    read_form,
    require_same_origin,
    safe_path,
    see,
)
from volutus.ids import Ids

log = logging.getLogger(__name__)

_CSRF_HEADER = "x-csrf"


@dataclass(frozen=True)
class Desk:
    """`app` is the API that everything is asked of."""

    app: ASGIApp
    sealer: Sealer
    renderer: Renderer
    regions: Regions
    providers: tuple[IdentityProvider, ...] = ()
    records: Records = field(default_factory=Records)
    far: Far = field(default_factory=Far)
    ids: Ids = field(default_factory=Ids)

    def page(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint: for those who are signed in, or for everybody."""

        async def endpoint(request: Request) -> Response:
            session = await self.session_of(request)
            if not page.open and (session is None or not (session.project or page.without_project)):
                place = "/projects" if session else "/sign-in"
                return see(place) if request.method == "POST" else see(sign_in.returning(place, request))
            try:
                return await self._answer(page, await self.visit(request, session))
            except ApiProblem as problem:
                if problem.status != 401 or page.open:
                    raise
                response = see(sign_in.returning("/sign-in", request))
                self.sealer.clear(response)
                return response
            except (Refused, HTTPException):
                raise
            except Exception:
                request_id = self.ids.request_id()
                log.exception("a page failed", extra={"request_id": request_id, "path": request.url.path})
                return await self._trouble(request, ApiProblem(500, _("This page failed."), request_id))

        return endpoint

    async def session_of(self, request: Request) -> Session | None:
        """The session that a request came with, unless its user ended it elsewhere."""
        session = self.sealer.read(request)
        if session is None or await self.records.holds(self.api(request, session.token), session):
            return session
        return None

    def api(self, request: Request, token: str, region: Region | None = None) -> Api:
        """The API for whoever a request came from."""
        client = (request.client.host, request.client.port) if request.client else ("", 0)
        return Api(self.app, token, client, region, self.far)

    async def visit(self, request: Request, session: Session | None) -> Visit:
        """A request of somebody, in the region that the session looks at, or of nobody yet. Raises
        ApiProblem."""
        known = session or Session.nobody()
        reach = await self.regions.of(self.api(request, known.token), known)
        # One that left the catalogue offers nothing.
        region = reach.others.get(known.region, Region(known.region)) if known.region else None
        api = self.api(request, known.token, region)
        return Visit(request, api, known, look_of(request.scope), self.records, reach)

    async def sign_in(self, request: Request) -> Response:
        """Show the form, or take it."""
        visit = await self.visit(request, None)
        if request.method != "POST":
            return sign_in.show(self.renderer, visit, None, self.providers)
        require_same_origin(request)
        visit.form = last_values(await read_form(request))
        try:
            session = await sign_in.by_password(visit.api, visit.form)
        except ApiProblem as problem:
            return sign_in.show(self.renderer, visit, problem, self.providers)
        return await self._welcome(request, session, visit.form)

    async def sign_in_elsewhere(self, request: Request) -> Response:
        """Take the token that came from an identity provider, by the page of our own API alone."""
        if request.headers.get("sec-fetch-site") != "same-origin":
            raise Refused(_("The form came from another site. Open the console itself and try there."))
        token = last_values(await read_form(request)).get("token", "")
        visit = await self.visit(request, None)
        try:
            session = await sign_in.by_token(self.api(request, token), token)
        except ApiProblem as problem:
            return sign_in.show(self.renderer, visit, problem, self.providers)
        return await self._welcome(request, session, {})

    async def sign_out(self, request: Request) -> Response:
        """Revoke the token and forget it."""
        session = self.sealer.read(request)
        response = see("/sign-in")
        if session is not None:
            await self._checked_form(request, session)
            api = self.api(request, session.token)
            if session.record:
                # Its record may have been deleted elsewhere; the token is what matters.
                with contextlib.suppress(ApiProblem):
                    await self.records.end(api, session.record)
            await api.revoke()
        self.sealer.clear(response)
        return response

    async def change_look(self, request: Request) -> Response:
        """Language and theme; whoever is not signed in has them too. Of a user they are kept."""
        require_same_origin(request)
        form = last_values(await read_form(request))
        before = look_of(request.scope)
        chosen = look.known(form.get("language", before.language), form.get("theme", before.theme))
        response = see(safe_path(form.get("next", "/")))
        if chosen is not None:
            look.keep(request, response, chosen)
            if session := await self.session_of(request):
                await settings.keep(self.api(request, session.token), session.user_id, chosen)
        return response

    async def image_bytes(self, request: Request) -> Response:
        """An image's data, to or from the API as it comes: it may be larger than memory."""
        session = await self.session_of(request)
        if session is None:
            return see("/sign-in")
        if request.method == "PUT":
            require_same_origin(request)
            if not session.sent(request.headers.get(_CSRF_HEADER, "")):
                raise Refused(_("The form is not of this session. Load the page again and repeat."))
        visit = await self.visit(request, session)
        path = f"/image/v2/images/{visit.param('id')}/file"
        return passed_on(visit.api, path, safe_name(visit.asked("as")))

    async def lost(self, request: Request, error: HTTPException) -> Response:
        """No such page."""
        return await self._trouble(request, ApiProblem(error.status_code, _("There is no such page."), ""))

    async def refused(self, request: Request, error: Refused) -> Response:
        """A form that was not taken."""
        return await self._trouble(request, ApiProblem(403, str(error), ""))

    async def failed(self, request: Request, problem: ApiProblem) -> Response:
        """The API could not show what the page is about."""
        return await self._trouble(request, problem)

    async def _welcome(self, request: Request, session: Session, form: dict[str, str]) -> Response:
        api = self.api(request, session.token)
        session = await sign_in.into_project(api, session, form.get("project", ""))
        api = self.api(request, session.token)
        session = await self.records.begin(api, session, request)
        response = sign_in.onwards(session, form)
        self.sealer.write(request, response, session)
        if chosen := await settings.kept(api, session.user_id):
            look.keep(request, response, chosen)
        return response

    async def _answer(self, page: Page, visit: Visit) -> Response:
        if visit.request.method != "POST":
            return await page.show(self.renderer, visit)
        visit.many = await self._checked_form(visit.request, visit.session)
        visit.form = last_values(visit.many)
        assert page.act is not None
        before = visit.session
        try:
            response = await page.act(self.renderer, visit)
        except ApiProblem as problem:
            if problem.status == 401:
                raise
            visit.problem = self._named(visit.request, problem)
            return await page.show(self.renderer, visit)
        if visit.session is not before:
            self.sealer.write(visit.request, response, visit.session)
        return response

    async def _checked_form(self, request: Request, session: Session) -> dict[str, list[str]]:
        require_same_origin(request)
        form = await read_form(request)
        if not session.sent(form.get("csrf", [""])[-1]):
            raise Refused(_("The form is not of this session. Load the page again and repeat."))
        return form

    def _named(self, request: Request, problem: ApiProblem) -> ApiProblem:
        """What was refused before any API was asked has an id of its own, under which our log has it."""
        if not problem.request_id:
            problem.request_id = self.ids.request_id()
            said = (request.method, request.url.path, problem.status)
            log.info("%s %s refused: %s", *said, extra={"request_id": problem.request_id})
        return problem

    async def _trouble(self, request: Request, problem: ApiProblem) -> Response:
        visit = await self._visit_in_trouble(request)
        return self.renderer.page(
            "trouble.html", visit, status=problem.status, trouble=self._named(request, problem)
        )

    async def _visit_in_trouble(self, request: Request) -> Visit:
        """For a page about a problem: it needs no API, which may be the one to have it."""
        try:
            return await self.visit(request, self.sealer.read(request))
        except ApiProblem:
            return await self.visit(request, None)


def safe_name(text: str) -> str:
    """A name for a file on the user's disk: letters, digits, and what separates them."""
    return "".join(char for char in text if char.isalnum() or char in "-_.")[:100]
