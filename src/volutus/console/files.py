"""Files that go through the console as they come, for they may be larger than memory: images up and down,
invoices."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from httpx import Response as Answered
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.status import HTTP_400_BAD_REQUEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from volutus.console.api import Api, problem_of

# What of a browser's request is about the data that it sends or wants.
_PASSED = {b"host", b"content-length", b"content-type", b"transfer-encoding", b"range"}
_SENT = ("content-length", "content-type", "range")
# Another region's answer has the browser's trust no more than its content has: these headers alone go on.
_GIVEN = ("content-length", "content-range", "accept-ranges")
_OCTETS = "application/octet-stream"


def passed_on(api: Api, path: str, download: str = "", accept: str = "") -> Response:
    """The answer to the browser's own request, byte by byte, under the user's token. `download` is the name
    of the file that the browser makes of it, `accept` the kind that is wanted. The answer raises ApiProblem
    before it begins, as does this."""
    file = _Relayed if api.is_far(path) else _PassedOn
    return file(api, path, download, accept)


class _PassedOn(Response):
    """By this program."""

    def __init__(self, api: Api, path: str, download: str, accept: str) -> None:
        super().__init__()
        self._app: ASGIApp = api.app
        self._path, self._token, self._download = api.local_path(path), api.token, download
        self._accept = accept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name in _PASSED]
        headers += [(b"x-auth-token", self._token.encode()), (b"accept", self._accept.encode() or b"*/*")]
        refusal: Message = {}
        said = bytearray()

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] >= HTTP_400_BAD_REQUEST:
                    refusal.update(message)
                elif self._download:
                    MutableHeaders(scope=message)["Content-Disposition"] = _attached(self._download)
            if refusal:
                said.extend(message.get("body", b""))
            else:
                await send(message)

        asked = {**scope, "path": self._path, "raw_path": self._path.encode(), "query_string": b""}
        await self._app({**asked, "headers": headers}, receive, answered)
        if refusal:
            raise problem_of(Answered(refusal["status"], headers=refusal["headers"], content=bytes(said)))


class _Relayed(Response):
    """By another region."""

    def __init__(self, api: Api, path: str, download: str, accept: str) -> None:
        super().__init__()
        self._api, self._path, self._download, self._accept = api, path, download, accept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope)
        headers = {name: asked[name] for name in _SENT if name in asked}
        if self._accept:
            headers["accept"] = self._accept
        content = _chunks(receive) if scope["method"] == "PUT" else None
        async with self._api.relayed(scope["method"], self._path, headers, content) as answer:
            given = Response(status_code=answer.status_code, media_type=_OCTETS)
            given.headers["Content-Disposition"] = _attached(self._download or "file")
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
