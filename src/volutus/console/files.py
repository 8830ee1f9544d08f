"""Files that go through the console as they come, for they may be larger than memory: images, up and down."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from volutus.console.api import Api

# What of a browser's request is about the data that it sends or wants.
_PASSED = {b"host", b"content-length", b"content-type", b"transfer-encoding", b"range"}
_SENT = ("content-length", "content-type", "range")
# Another region's answer has the browser's trust no more than its content has: these headers alone go on.
_GIVEN = ("content-length", "content-range", "accept-ranges")
_OCTETS = "application/octet-stream"


def passed_on(api: Api, path: str, download: str = "") -> Response:
    """The answer to the browser's own request, byte by byte, under the user's token. `download` is the name
    of the file that the browser makes of it. Raises ApiProblem."""
    return _Relayed(api, path, download) if api.is_far(path) else _PassedOn(api, path, download)


class _PassedOn(Response):
    """By this program."""

    def __init__(self, api: Api, path: str, download: str) -> None:
        super().__init__()
        self._app: ASGIApp = api.app
        self._path, self._token, self._download = api.local_path(path), api.token, download

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name in _PASSED]
        headers.append((b"x-auth-token", self._token.encode()))

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start" and self._download:
                MutableHeaders(scope=message)["Content-Disposition"] = _attached(self._download)
            await send(message)

        asked = {**scope, "path": self._path, "raw_path": self._path.encode(), "query_string": b""}
        await self._app({**asked, "headers": headers}, receive, answered)


class _Relayed(Response):
    """By another region."""

    def __init__(self, api: Api, path: str, download: str) -> None:
        super().__init__()
        self._api, self._path, self._download = api, path, download

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope)
        headers = {name: asked[name] for name in _SENT if name in asked}
        content = _chunks(receive) if scope["method"] == "PUT" else None
        async with self._api.relayed(scope["method"], self._path, headers, content) as answer:
            given = Response(status_code=answer.status_code, media_type=_OCTETS)
            given.headers["Content-Disposition"] = _attached(self._download or "image")
            given.headers.update({name: answer.headers[name] for name in _GIVEN if name in answer.headers})
            start = {
                "type": "http.response.start",
                "status": answer.status_code,
                "headers": given.raw_headers,
            }
            await send(start)
            async for chunk in answer.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    """What the browser sends. Raises ClientDisconnect when it stops, so that half a file is not the whole."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        yield message.get("body", b"")


def _attached(name: str) -> str:
    return f"attachment; filename*=UTF-8''{quote(name)}"
