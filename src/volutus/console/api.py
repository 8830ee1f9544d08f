"""Calls of the public API with the user's own token.

This cloud's own services are called within the process: the same application answers that answers the port.
Those of another region are called where the catalogue says.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
from starlette.types import ASGIApp

from volutus.console.catalog import Region
from volutus.console.far import Far, Unreached, whole
from volutus.console.language import _
from volutus.ids import Ids

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
# Only names the API to itself; links in answers are not followed.
_ORIGIN = "http://console.invalid"
# There is one identity service for all regions.
_IDENTITY = "identity"
_REQUEST_ID = "X-Openstack-Request-Id"
# What an API says is for people to read; more than this is none.
_MESSAGE_MAX = 2000
_ids = Ids()

Document = dict[str, Any]
Query = Mapping[str, str | int | None]


class ApiProblem(Exception):
    """The API refused: what it said, and the id under which its logs have it. `region` is the one whose
    services could not be used at all."""

    def __init__(self, status: int, message: str, request_id: str, region: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.request_id = request_id
        self.region = region


@dataclass(frozen=True)
class Answer:
    """What a call gave: its document, and its headers by lower-case names."""

    body: Document
    headers: Mapping[str, str]


class Api:
    """The API as one user; `token` empty is nobody yet. `region` is another than this cloud's own, whose
    services `far` reaches."""

    def __init__(
        self,
        app: ASGIApp,
        token: str = "",
        client: tuple[str, int] = ("", 0),
        region: Region | None = None,
        far: Far | None = None,
    ) -> None:
        self.app = app
        # The address is the browser's, so that what the API notes and limits by address stays right.
        self._transport = httpx.ASGITransport(app=app, client=client)
        self.token = token
        self._region = region
        self._far = far or Far()

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
        headers = _VERSIONS | _OTHER_VERSIONS.get(path.split("/")[1], {})
        if subject:
            headers["X-Subject-Token"] = subject
        wanted = {name: str(value) for name, value in (query or {}).items() if value not in (None, "")}
        answer = await self._ask(method, path, headers, json=body, params=wanted)
        return Answer(_document(answer), answer.headers)

    async def revoke(self) -> None:
        """Make the token worthless."""
        async with self._client() as client:
            headers = {"X-Auth-Token": self.token, "X-Subject-Token": self.token}
            await client.delete("/identity/v3/auth/tokens", headers=headers)

    def address(self, path: str) -> str:
        """Where a path of the API is, in the region looked at. Raises ApiProblem where it offers no such
        service."""
        service = path.split("/")[1]
        if self._region is None or service == _IDENTITY:
            return f"{_ORIGIN}{path}"
        if found := self._region.address(path):
            return found
        name = self._region.name
        said = _("The region %(name)s offers no service %(service)s.", name=name, service=service)
        raise ApiProblem(404, said, "", name)

    def local_path(self, path: str) -> str:
        """The path by which this program itself answers. Raises ApiProblem."""
        return self.address(path).removeprefix(_ORIGIN)

    def is_far(self, path: str) -> bool:
        """Whether another program answers for a path than this one."""
        return not self.address(path).startswith(f"{_ORIGIN}/")

    async def get(self, path: str, **query: str | int | None) -> Document:
        """A document."""
        return (await self.call("GET", path, query=query)).body

    async def text(self, path: str) -> str:
        """A file of a kind that is not JSON."""
        return (await self._ask("GET", path, {})).text

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
        content = json.dumps(operations).encode()
        await self._ask("PATCH", path, {"Content-Type": _IMAGE_PATCH}, content=content)

    async def send(self, path: str, text: str, kind: str) -> None:
        """A file of a kind that is not JSON."""
        await self._ask("POST", path, {"Content-Type": kind}, content=text.encode())

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

    @asynccontextmanager
    async def relayed(
        self, method: str, path: str, headers: Mapping[str, str], content: AsyncIterator[bytes] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Another region's answer as it comes. Raises ApiProblem."""
        address, request_id = self.address(path), _ids.request_id()
        named = {**headers, "X-Auth-Token": self.token, _REQUEST_ID: request_id}
        try:
            async with self._far.stream(method, address, named, content=content) as answer:
                if not answer.is_success:
                    raise self._far_problem(await whole(answer), request_id)
                yield answer
        except Unreached as reason:
            raise self._unreached(address, reason, request_id) from reason

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], **sent: Any) -> httpx.Response:
        """Raises ApiProblem for every answer that is not a success."""
        address = self.address(path)
        named = {**headers, "X-Auth-Token": self.token} if self.token else dict(headers)
        if self.is_far(path):
            return await self._ask_far(method, address, named, **sent)
        async with self._client() as client:
            answer = await client.request(method, address, headers=named, **sent)
        if answer.is_success:
            return answer
        raise problem_of(answer)

    async def _ask_far(
        self, method: str, address: str, headers: Mapping[str, str], **sent: Any
    ) -> httpx.Response:
        request_id = _ids.request_id()
        try:
            answer = await self._far.request(method, address, {**headers, _REQUEST_ID: request_id}, **sent)
        except Unreached as reason:
            raise self._unreached(address, reason, request_id) from reason
        if answer.is_success:
            return answer
        raise self._far_problem(answer, request_id)

    def _unreached(self, address: str, reason: Unreached, request_id: str) -> ApiProblem:
        known = {"name": self._region_name, "place": urlsplit(address).netloc}
        if reason.sent:
            text = _("The region %(name)s did not answer to the end, at %(place)s. See what it did.", **known)
            return ApiProblem(504, text, request_id, self._region_name)
        text = _("The region %(name)s cannot be reached, at %(place)s. Nothing was changed.", **known)
        return ApiProblem(503, text, request_id, self._region_name)

    def _far_problem(self, answer: httpx.Response, request_id: str) -> ApiProblem:
        """Where a region does not know the token, the session is as good as before; a redirect would carry
        the token to where the catalogue does not say."""
        name = self._region_name
        if answer.status_code == 401:
            return ApiProblem(
                502, _("The region %(name)s does not accept your sign-in.", name=name), request_id, name
            )
        if answer.is_redirect:
            return ApiProblem(
                502,
                _("The region %(name)s sends elsewhere than its catalogue says.", name=name),
                request_id,
                name,
            )
        return problem_of(answer, request_id)

    @property
    def _region_name(self) -> str:
        return self._region.name if self._region else ""

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self._transport, base_url=_ORIGIN, timeout=_TIMEOUT_S)


async def together(*calls: Any) -> list[Any]:
    """Several calls at once; the first problem is raised."""
    return list(await asyncio.gather(*calls))


def _document(answer: httpx.Response) -> Document:
    if not answer.content or "json" not in answer.headers.get("content-type", ""):
        return {}
    return cast(Document, answer.json())


def problem_of(answer: httpx.Response, request_id: str = "") -> ApiProblem:
    """What an answer that is no success says."""
    named = answer.headers.get(_REQUEST_ID, request_id)
    return ApiProblem(answer.status_code, _message(answer)[:_MESSAGE_MAX], named)


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
