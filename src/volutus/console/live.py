"""Pages that follow what they show: a stream of server-sent events to each open page, with its part that
changed.

The stream shows the page again and again with its visitor's own token, often while something is under way and
seldom otherwise, and sends the part only when it differs. Whoever has no scripts loads the page again.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import compile_path

from volutus.console.api import ApiProblem
from volutus.console.desk import Desk
from volutus.console.pages import PAGES
from volutus.console.rendering import Page
from volutus.console.sessions import Session
from volutus.console.visits import safe_path

BUSY_S, STILL_S = 1.0, 5.0
# A browser opens a stream again by itself; its session is then looked at again.
LIFETIME_S = 300.0
# Each stream costs a page's calls every few seconds; beyond this pages stay as they are until loaded.
STREAMS_MAX = 200
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Live:
    """All streams of this process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._open = 0
        self._paths = [(compile_path(page.path), page) for page in PAGES]

    async def stream(self, request: Request) -> Response:
        """Follow the page whose path and query are given."""
        session = await self._desk.session_of(request)
        target = urlsplit(safe_path(request.query_params.get("page", "/")))
        found = self._find(target.path)
        if session is None or not session.project or found is None:
            raise HTTPException(404)
        if self._open >= STREAMS_MAX:
            return Response(status_code=503)
        page, params = found
        scope = {**request.scope, "path": target.path, "query_string": target.query.encode()}
        scope["path_params"] = params
        events = self._events(page, Request(scope), session)
        return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)

    async def _events(self, page: Page, request: Request, session: Session) -> AsyncIterator[str]:
        self._open += 1
        try:
            ends, shown = asyncio.get_running_loop().time() + LIFETIME_S, b""
            while asyncio.get_running_loop().time() < ends:
                if not await self._desk.records.holds(self._desk.api(request, session.token), session):
                    yield _event("gone", "401")
                    return
                try:
                    visit = await self._desk.visit(request, session)
                    visit.live_only = True
                    content = bytes((await page.show(self._desk.renderer, visit)).body)
                except ApiProblem as problem:
                    yield _event("gone", str(problem.status))
                    return
                if content != shown:
                    yield _event("part", content.decode())
                    shown = content
                else:
                    # So that a browser that went away is noticed.
                    yield ":\n\n"
                await asyncio.sleep(BUSY_S if visit.busy else STILL_S)
        finally:
            self._open -= 1

    def _find(self, path: str) -> tuple[Page, dict[str, str]] | None:
        for (pattern, _, converters), page in self._paths:
            if match := pattern.match(path):
                params = {name: converters[name].convert(text) for name, text in match.groupdict().items()}
                return page, params
        return None


def _event(name: str, data: str) -> str:
    # As JSON it is one line, whatever is in it.
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
