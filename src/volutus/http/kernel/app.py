"""The ASGI application: from bytes to a handler and back, the same for every dialect.

In order: request id, route, microversion, body, then in one thread and on one connection: token, policy,
handler, commit. Anything raised on the way is told in the dialect's own envelope.
"""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import AsyncIterator, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from volutus.db import Tx
from volutus.errors import Contended, TooLarge, Unauthenticated, VolutusError
from volutus.http.direct import direct
from volutus.http.kernel.faults import FaultTable, HttpProblem, openstack_fault
from volutus.http.kernel.microversions import Version
from volutus.http.kernel.plane import Plane
from volutus.http.kernel.requests import NO_VERSION, Request, StreamRequest
from volutus.http.kernel.routes import Dialect, Match, RouteMap, SocketRoute
from volutus.identity import Caller
from volutus.identity.access_rules import permits

log = logging.getLogger(__name__)

# A caller may name its request so that its own logs and ours meet; anything else is replaced.
_REQUEST_ID = re.compile(r"req-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NOBODY = Caller(user_id=None)
# Two requests that deadlock are over with the second try; more takes a crowd.
_CONTENDED_AGAIN = 2


class _Exchange:
    """One request on its way through the kernel: filled in step by step, so that a failure at any step can
    be told with what is known by then."""

    def __init__(self, scope: Scope, plane: Plane) -> None:
        self.scope = scope
        self.headers = Headers(scope=scope)
        self.method: str = scope["method"]
        self.path: str = unquote(
            scope.get("raw_path", scope["path"].encode()).decode("ascii", "replace").split("?")[0]
        )
        self.query = QueryParams(scope["query_string"])
        self.client = (scope.get("client") or ("", 0))[0]
        self.origin = _origin(self.headers, plane)
        asked = self.headers.get("x-openstack-request-id", "")
        self.request_id = asked if _REQUEST_ID.fullmatch(asked) else plane.ids.request_id()
        self.dialect: Dialect | None = None
        self.version: Version = NO_VERSION
        self.began = time.perf_counter()
        self.statements = 0


class Kernel:
    """All dialects as one application over one plane."""

    def __init__(
        self, plane: Plane, dialects: Sequence[Dialect], sockets: Sequence[SocketRoute] = ()
    ) -> None:
        self.plane = plane
        self._sockets = {route.path: route.handler for route in sockets}
        self.routes = RouteMap(dialects)
        self._threads = ThreadPoolExecutor(plane.settings.api_threads, thread_name_prefix="http")
        self._faults = FaultTable(openstack_fault)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(WebSocket(scope, receive, send))

    async def _websocket(self, socket: WebSocket) -> None:
        """Refused by an empty answer before the upgrade: whoever asks wrongly hears nothing that looks like
        data."""
        handler = self._sockets.get(socket.url.path)
        if handler is None or not _same_origin(socket, self.plane):
            await socket.close()
            return
        await handler(self.plane, socket)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(scope, self.plane)
        try:
            response = await self._respond(exchange, receive)
        except VolutusError as error:
            response = self._told(exchange, error)
        except HttpProblem as problem:
            response = self._fault_table(exchange).of_problem(problem, exchange.request_id)
        except Exception:
            log.exception("request failed", extra={"request_id": exchange.request_id, "path": exchange.path})
            response = self._fault_table(exchange).of_bug(exchange.request_id)
        self._finish_headers(exchange, response)
        await response(scope, receive, send)
        log.info(
            "%s %s %s",
            exchange.method,
            exchange.path,
            response.status_code,
            extra={
                "request_id": exchange.request_id,
                "ms": round((time.perf_counter() - exchange.began) * 1000, 2),
                "statements": exchange.statements,
            },
        )

    async def _respond(self, exchange: _Exchange, receive: Receive) -> Response:
        match = self._match(exchange)
        if match.dialect.microversions:
            exchange.version = match.dialect.microversions.negotiate(exchange.headers)
        loop = asyncio.get_running_loop()
        if match.route.streams:
            caller = await loop.run_in_executor(self._threads, self._admit, exchange, match)
            chunks, connection = _chunks(receive), direct(exchange.scope)
            request = StreamRequest(
                **self._call(exchange, match, caller), chunks=chunks, connection=connection
            )
            response: Response = await match.route.handler(request)  # type: ignore[misc]
            return response
        body = await _body(receive, exchange.headers, match.route.body_max_bytes)
        return await loop.run_in_executor(self._threads, self._handle, exchange, match, body)

    def _handle(self, exchange: _Exchange, match: Match, body: bytes) -> Response:
        """Once more, from the start, where the transaction was ended in favour of another's."""
        for _ in range(_CONTENDED_AGAIN):
            try:
                return self._attempt(exchange, match, body)
            except Contended as error:
                log.info("%s: trying again", error.detail, extra={"request_id": exchange.request_id})
        return self._attempt(exchange, match, body)

    def _attempt(self, exchange: _Exchange, match: Match, body: bytes) -> Response:
        database = self.plane.database
        opened = database.begin if match.route.needs_transaction else database.read
        with opened(exchange.request_id) as tx:
            try:
                caller = self._caller(tx, exchange, match)
                request = Request(**self._call(exchange, match, caller), body=body, tx=tx)
                with self.plane.gate.passing(tx, caller, match.route.permission, match.params):
                    return match.route.handler(request)  # type: ignore[return-value]
            finally:
                exchange.statements = tx.statements

    def _admit(self, exchange: _Exchange, match: Match) -> Caller:
        with self.plane.database.read(exchange.request_id) as tx:
            return self._caller(tx, exchange, match)

    def _caller(self, tx: Tx, exchange: _Exchange, match: Match) -> Caller:
        if match.route.open:
            return _NOBODY
        credential = match.dialect.credential(exchange.scope)
        if not credential:
            raise Unauthenticated("The request you have made requires authentication.")
        caller = self.plane.authenticator.authenticate(tx, credential)
        _require_access_rule(exchange, match, caller)
        self.plane.policy.require(match.route.permission, caller)
        return caller

    def _match(self, exchange: _Exchange) -> Match:
        found = self.routes.find(exchange.method, exchange.path)
        exchange.dialect = self.routes.dialect_of(exchange.path)
        if exchange.dialect is not None and exchange.dialect.names_nothing(exchange.path):
            raise HttpProblem(404, "The resource could not be found.")
        if isinstance(found, Match):
            exchange.dialect = found.dialect
            return found
        if found:
            raise HttpProblem(
                405, f"{exchange.method} is not allowed here.", {"Allow": ", ".join(sorted(found))}
            )
        raise HttpProblem(404, "The resource could not be found.")

    def _call(self, exchange: _Exchange, match: Match, caller: Caller) -> dict[str, Any]:
        return {
            "method": exchange.method,
            "path": exchange.path,
            "params": match.params,
            "query": exchange.query,
            "headers": exchange.headers,
            "microversion": exchange.version,
            "caller": caller,
            "request_id": exchange.request_id,
            "origin": exchange.origin,
            "service_url": f"{exchange.origin}{match.dialect.prefixes[0]}",
            "plane": self.plane,
            "client_address": exchange.client,
        }

    def _fault_table(self, exchange: _Exchange) -> FaultTable:
        return exchange.dialect.faults if exchange.dialect else self._faults

    def _told(self, exchange: _Exchange, error: VolutusError) -> Response:
        if error.detail:
            log.warning("%s: %s", error.message, error.detail, extra={"request_id": exchange.request_id})
        response = self._fault_table(exchange).of_error(error, exchange.request_id)
        if response.status_code == 401:
            # Clients find out from this where to get a token.
            response.headers["WWW-Authenticate"] = f'Keystone uri="{exchange.origin}/identity"'
        return response

    def _finish_headers(self, exchange: _Exchange, response: Response) -> None:
        response.headers["X-Openstack-Request-Id"] = exchange.request_id
        if exchange.dialect and exchange.dialect.name == "compute":
            response.headers["X-Compute-Request-Id"] = exchange.request_id
        if exchange.dialect and exchange.dialect.microversions and exchange.version != NO_VERSION:
            response.headers.update(exchange.dialect.microversions.response_headers(exchange.version))


def _require_access_rule(exchange: _Exchange, match: Match, caller: Caller) -> None:
    """A token bound to listed requests is worth nothing for others. Paths are below the service's root."""
    if caller.access_rules is None:
        return
    _, _, below = exchange.path.strip("/").partition("/")
    services = match.dialect.service_types or (match.dialect.name,)
    if not permits(caller.access_rules, services, exchange.method, f"/{below}"):
        raise Unauthenticated("The token's access rules do not cover this request.")


def _origin(headers: Headers, plane: Plane) -> str:
    """The origin for links: the configured one when set, else what the client called us."""
    if plane.settings.public_url:
        return plane.settings.url
    host = headers.get("host")
    return f"http://{host}" if host else plane.settings.url


def _same_origin(socket: WebSocket, plane: Plane) -> bool:
    """Browsers let any page open a socket to anywhere, and say which page it was. Programs say nothing."""
    page = socket.headers.get("origin")
    if page is None:
        return True
    return urlsplit(page).netloc in (socket.headers.get("host"), urlsplit(plane.settings.url).netloc)


async def _body(receive: Receive, headers: Headers, limit: int) -> bytes:
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise TooLarge(f"The body is over {limit} bytes.")
    body = b""
    async for chunk in _chunks(receive):
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"The body is over {limit} bytes.")
    return body


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    """The body as it comes. Raises HttpProblem 400 when the client goes away halfway."""
    more = True
    while more:
        message: MutableMapping[str, Any] = await receive()
        if message["type"] == "http.disconnect":
            raise HttpProblem(400, "The client went away before its body was complete.")
        if chunk := message.get("body", b""):
            yield chunk
        more = message.get("more_body", False)


async def _lifespan(receive: Receive, send: Send) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
