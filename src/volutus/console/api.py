"""Calls of the public API with the user's own token, within the process: the same application answers that
answers the port."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import httpx
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The newest versions that still have all that the pages use: from 2.92 on nobody makes keys for users.
_VERSIONS = {
    "OpenStack-API-Version": "compute 2.91",
    "Accept": "application/json",
}
_OTHER_VERSIONS = {
    "volume": {"OpenStack-API-Version": "volume 3.59"},
    "placement": {"OpenStack-API-Version": "placement 1.36"},
}
_IMAGE_PATCH = "application/openstack-images-v2.1-json-patch"
_TIMEOUT_S = 60.0
# What of a browser's request is about the data that it sends or wants.
_PASSED = {b"host", b"content-length", b"content-type", b"transfer-encoding", b"range"}
# Only names the API to itself; links in answers are not followed.
_ORIGIN = "http://console.invalid"

Document = dict[str, Any]
Query = Mapping[str, str | int | None]


class ApiProblem(Exception):
    """The API refused: what it said, and the id under which its logs have it."""

    def __init__(self, status: int, message: str, request_id: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.request_id = request_id


@dataclass(frozen=True)
class Answer:
    """What a call gave: its document, and its headers by lower-case names."""

    body: Document
    headers: Mapping[str, str]


class Api:
    """The API as one user; `token` empty is nobody yet."""

    def __init__(self, app: ASGIApp, token: str = "", client: tuple[str, int] = ("", 0)) -> None:
        # The address is the browser's, so that what the API notes and limits by address stays right.
        self._transport = httpx.ASGITransport(app=app, client=client)
        self._token = token

    async def call(
        self,
        method: str,
        path: str,
        body: Document | None = None,
        query: Query | None = None,
        subject: str = "",
    ) -> Answer:
        """One request, about the token `subject` if one is given. Raises ApiProblem for every answer that is
        not a success."""
        headers = dict(_VERSIONS)
        if subject:
            headers["X-Subject-Token"] = subject
        headers |= _OTHER_VERSIONS.get(path.split("/")[1], {})
        if self._token:
            headers["X-Auth-Token"] = self._token
        wanted = {name: str(value) for name, value in (query or {}).items() if value not in (None, "")}
        async with self._client() as client:
            answer = await client.request(method, path, json=body, params=wanted, headers=headers)
        if answer.is_success:
            return Answer(_document(answer), answer.headers)
        raise _problem(answer)

    async def revoke(self) -> None:
        """Make the token worthless."""
        async with self._client() as client:
            headers = {"X-Auth-Token": self._token, "X-Subject-Token": self._token}
            await client.delete("/identity/v3/auth/tokens", headers=headers)

    async def get(self, path: str, **query: str | int | None) -> Document:
        """A document."""
        return (await self.call("GET", path, query=query)).body

    async def items(self, path: str, noun: str, **query: str | int | None) -> list[Document]:
        """The list that a document holds under a name."""
        return cast(list[Document], (await self.get(path, **query))[noun])

    async def post(self, path: str, body: Document) -> Document:
        """Create, or act."""
        return (await self.call("POST", path, body)).body

    async def put(self, path: str, body: Document) -> Document:
        """Change."""
        return (await self.call("PUT", path, body)).body

    async def patch(self, path: str, body: Document) -> Document:
        """Change what is given."""
        return (await self.call("PATCH", path, body)).body

    async def change(self, path: str, operations: list[Document]) -> None:
        """Change an image, by operations of the Image API's JSON patch."""
        headers = {"X-Auth-Token": self._token, "Content-Type": _IMAGE_PATCH}
        async with self._client() as client:
            answer = await client.patch(path, content=json.dumps(operations), headers=headers)
        if not answer.is_success:
            raise _problem(answer)

    async def send(self, path: str, text: str, kind: str) -> None:
        """A file of a kind that is not JSON."""
        headers = {"X-Auth-Token": self._token, "Content-Type": kind}
        async with self._client() as client:
            answer = await client.post(path, content=text.encode(), headers=headers)
        if not answer.is_success:
            raise _problem(answer)

    async def maybe(self, path: str, noun: str, **query: str | int | None) -> list[Document]:
        """A list, empty where the user may not see it or there is no such service."""
        try:
            return await self.items(path, noun, **query)
        except ApiProblem as problem:
            if problem.status not in (402, 403, 404):
                raise
            return []

    async def delete(self, path: str) -> None:
        """Delete."""
        await self.call("DELETE", path)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self._transport, base_url=_ORIGIN, timeout=_TIMEOUT_S)


class PassedOn(Response):
    """The API's answer to the browser's own request, byte by byte, under the user's token. `download` is the
    name of the file that the browser makes of it."""

    def __init__(self, app: ASGIApp, path: str, token: str, *, download: str = "") -> None:
        super().__init__()
        self._app, self._path, self._token, self._download = app, path, token, download

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name in _PASSED]
        headers.append((b"x-auth-token", self._token.encode()))

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start" and self._download:
                named = MutableHeaders(scope=message)
                named["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(self._download)}"
            await send(message)

        asked = {**scope, "path": self._path, "raw_path": self._path.encode(), "query_string": b""}
        await self._app({**asked, "headers": headers}, receive, answered)


async def together(*calls: Any) -> list[Any]:
    """Several calls at once; the first problem is raised."""
    return list(await asyncio.gather(*calls))


def _document(answer: httpx.Response) -> Document:
    if not answer.content or "json" not in answer.headers.get("content-type", ""):
        return {}
    return cast(Document, answer.json())


def _problem(answer: httpx.Response) -> ApiProblem:
    request_id = answer.headers.get("x-openstack-request-id", "")
    return ApiProblem(answer.status_code, _message(answer), request_id)


def _message(answer: httpx.Response) -> str:
    """The services' envelopes differ; all have one object with a message in it somewhere."""
    try:
        body = answer.json()
    except ValueError:
        return answer.text[:500] or answer.reason_phrase
    for value in body.values() if isinstance(body, dict) else ():
        if isinstance(value, dict) and (text := value.get("message")):
            return str(text)
        if isinstance(value, str) and value:
            return value
    return answer.reason_phrase
