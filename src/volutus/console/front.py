"""The console as an application before the API: its own paths, its headers, and what happens when something
is refused."""

from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from volutus.console import language
from volutus.console.api import ApiProblem
from volutus.console.assets import Assets
from volutus.console.desk import Desk
from volutus.console.live import Live
from volutus.console.look import look_of
from volutus.console.pages import PAGES
from volutus.console.regions import Regions
from volutus.console.rendering import Renderer
from volutus.console.sessions import Sealer
from volutus.console.sign_in import RETURN_PATH, IdentityProvider
from volutus.console.visits import Refused

# noVNC draws the guest's pointer as a picture in a data: address.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_PRIVATE = "no-store"
_OWN = {"sign-in", "sign-out", "look", "live", "static"} | {
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


def mount(
    api: ASGIApp,
    key_directory: Path,
    assets: Path,
    region: str,
    providers: tuple[IdentityProvider, ...] = (),
) -> ASGIApp:
    """The API with the console before it. Sessions are sealed by the keys of that directory; `assets` has
    what set-up brought from npm (without it, pages work and do not refresh by themselves); `region` is the
    API's own; `providers` are those by whom people can sign in besides."""
    desk = Desk(api, Sealer(key_directory), Renderer(Assets(assets)), Regions(region), providers)
    live = Live(desk)
    routes = [
        Route("/sign-in", desk.sign_in, methods=["GET", "POST"]),
        Route(RETURN_PATH, desk.sign_in_elsewhere, methods=["POST"]),
        Route("/sign-out", desk.sign_out, methods=["POST"]),
        Route("/look", desk.change_look, methods=["POST"]),
        Route("/live", live.stream, methods=["GET"]),
        Route("/static/{version}/{name:path}", desk.renderer.assets.serve, methods=["GET"]),
        Route("/images/{id}/file", desk.image_bytes, methods=["GET", "PUT"]),
        *(Route(page.path, desk.page(page), methods=page.methods) for page in PAGES),
    ]
    handlers = {HTTPException: desk.lost, Refused: desk.refused, ApiProblem: desk.failed}
    console = Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]
    return Front(api, _Guarded(console))


class _Guarded:
    """Sets the language, and puts the headers on every answer that forbid what the console never does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        language.speak(look_of(scope).language)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Content-Security-Policy", _POLICY)
                headers.setdefault("Cache-Control", _PRIVATE)
            await send(message)

        await self._app(scope, receive, with_headers)


def _is_ours(scope: Scope) -> bool:
    first = scope["path"].strip("/").partition("/")[0]
    if first:
        return first in _OWN
    headers = Headers(scope=scope)
    # A page that asks for a part of itself says so, and accepts anything.
    return "text/html" in headers.get("accept", "") or "hx-request" in headers
