"""The console as an application before the API: its own paths, its headers, and what happens when something
is refused."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from volutus.console import sign_in
from volutus.console.api import Api, ApiProblem
from volutus.console.pages import PAGES
from volutus.console.rendering import MARK, SCRIPT, STYLE, Page, Renderer
from volutus.console.sessions import Sealer, Session
from volutus.console.visits import Refused, Visit, read_form, require_same_origin, see

log = logging.getLogger(__name__)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_PRIVATE = "no-store"
# Assets are addressed by their content.
_FOR_EVER = "public, max-age=31536000, immutable"
_TYPES = {STYLE: "text/css", SCRIPT: "text/javascript", MARK: "image/svg+xml"}
_OWN = {"sign-in", "sign-out", "static"} | {
    page.path.strip("/").partition("/")[0] for page in PAGES if page.path != "/"
}


@dataclass(frozen=True)
class Front:
    """What answers a connection: the console for its own paths, the API for all others. A browser that opens
    `/` wants the console, a client its list of versions."""

    api: ASGIApp
    console: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chosen = self.console if scope["type"] == "http" and _is_ours(scope) else self.api
        await chosen(scope, receive, send)


def mount(api: ASGIApp, key_directory: Path, assets: Path) -> ASGIApp:
    """The API with the console before it. Sessions are sealed by the keys of that directory; `assets` has
    what set-up brought from npm (without it, pages work and do not refresh by themselves)."""
    desk = Desk(api, Sealer(key_directory), Renderer(assets))
    routes = [
        Route("/sign-in", desk.sign_in, methods=["GET", "POST"]),
        Route("/sign-out", desk.sign_out, methods=["POST"]),
        Route("/static/{name}", desk.asset, methods=["GET"]),
        *(Route(page.path, desk.page(page), methods=page.methods) for page in PAGES),
    ]
    handlers = {HTTPException: desk.lost, Refused: desk.refused, ApiProblem: desk.failed}
    return Front(api, _Guarded(Starlette(routes=routes, exception_handlers=handlers)))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Desk:
    """Receives visitors: finds their session, takes their forms, shows what went wrong."""

    app: ASGIApp
    sealer: Sealer
    renderer: Renderer

    def page(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint for those who are signed in."""

        async def endpoint(request: Request) -> Response:
            session = self.sealer.read(request)
            if session is None or not (session.project or page.without_project):
                place = "/projects" if session else "/sign-in"
                return see(place) if request.method == "POST" else see(sign_in.returning(place, request))
            visit = Visit(request, self._api(request, session), session)
            try:
                return await self._answer(page, visit)
            except ApiProblem as problem:
                if problem.status != 401:
                    raise
                response = see(sign_in.returning("/sign-in", request))
                self.sealer.clear(response)
                return response

        return endpoint

    async def sign_in(self, request: Request) -> Response:
        """Show the form, or take it."""
        if request.method != "POST":
            return sign_in.show(self.renderer, request, {}, None)
        require_same_origin(request)
        form = await read_form(request)
        api = self._api(request)
        try:
            session = await sign_in.by_password(api, form)
        except ApiProblem as problem:
            return sign_in.show(self.renderer, request, form, problem)
        session = await sign_in.into_project(self._api(request, session), session, form.get("project", ""))
        response = sign_in.onwards(session, form)
        self.sealer.write(request, response, session)
        return response

    async def sign_out(self, request: Request) -> Response:
        """Revoke the token and forget it."""
        session = self.sealer.read(request)
        response = see("/sign-in")
        if session is not None:
            await self._checked_form(request, session)
            await self._api(request, session).revoke()
        self.sealer.clear(response)
        return response

    async def asset(self, request: Request) -> Response:
        """The style sheet or the script."""
        name = request.path_params["name"]
        if name not in self.renderer.content:
            raise HTTPException(404)
        headers = {"Cache-Control": _FOR_EVER}
        return Response(self.renderer.content[name], headers=headers, media_type=_TYPES[name])

    async def lost(self, request: Request, error: HTTPException) -> Response:
        """No such page."""
        return self._trouble(request, error.status_code, "There is no such page.", "")

    async def refused(self, request: Request, error: Refused) -> Response:
        """A form that was not taken."""
        return self._trouble(request, 403, str(error), "")

    async def failed(self, request: Request, problem: ApiProblem) -> Response:
        """The API could not show what the page is about."""
        return self._trouble(request, problem.status, problem.message, problem.request_id)

    async def _answer(self, page: Page, visit: Visit) -> Response:
        if visit.request.method != "POST":
            return await page.show(self.renderer, visit)
        visit.form = await self._checked_form(visit.request, visit.session)
        assert page.act is not None
        before = visit.session
        try:
            response = await page.act(self.renderer, visit)
        except ApiProblem as problem:
            if problem.status == 401:
                raise
            visit.problem = problem
            return await page.show(self.renderer, visit)
        if visit.session is not before:
            self.sealer.write(visit.request, response, visit.session)
        return response

    async def _checked_form(self, request: Request, session: Session) -> dict[str, str]:
        require_same_origin(request)
        form = await read_form(request)
        if not session.sent(form.get("csrf", "")):
            raise Refused("The form is not of this session. Load the page again and repeat.")
        return form

    def _api(self, request: Request, session: Session | None = None) -> Api:
        client = (request.client.host, request.client.port) if request.client else ("", 0)
        return Api(self.app, session.token if session else "", client)

    def _trouble(self, request: Request, status: int, message: str, request_id: str) -> Response:
        session = self.sealer.read(request)
        visit = Visit(request, self._api(request), session) if session and session.project else None
        values = {"message": message, "request_id": request_id}
        return self.renderer.page("trouble.html", visit, status=status, **values)


class _Guarded:
    """Puts the headers on every answer that forbid what the console never does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", _PRIVATE)
            await send(message)

        await self._app(scope, receive, with_headers)


def _is_ours(scope: Scope) -> bool:
    first = scope["path"].strip("/").partition("/")[0]
    if first:
        return first in _OWN
    headers = Headers(scope=scope)
    # A page that refreshes itself says so, and accepts anything.
    return "text/html" in headers.get("accept", "") or "hx-request" in headers
