"""Route tables and how a path is found in them."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope
from starlette.websockets import WebSocket

from volutus.http.kernel.faults import FaultTable
from volutus.http.kernel.microversions import MicroversionRange
from volutus.http.kernel.plane import Plane

Credential = Callable[[Scope], str | None]
Handler = Callable[[Any], Response] | Callable[[Any], Awaitable[Response]]

SocketHandler = Callable[[Plane, WebSocket], Awaitable[None]]

# Documents of the APIs are small; image bytes do not come this way.
BODY_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Route:
    """`path` below the prefix, with `{names}`. `permission` is looked up in the policy; `open` routes
    need no token (each is on a list that a test checks). `streams`: the handler is asynchronous."""

    method: str
    path: str
    handler: Handler
    permission: str = ""
    open: bool = False
    streams: bool = False
    body_max_bytes: int = BODY_MAX_BYTES
    writes: bool | None = None

    @property
    def needs_transaction(self) -> bool:
        """Whether the handler's statements must be all or none; by default, all but GET and HEAD."""
        return self.method not in ("GET", "HEAD") if self.writes is None else self.writes


@dataclass(frozen=True)
class SocketRoute:
    """A WebSocket at exactly this path. Its handler finds out itself who is asking: such routes are on the
    list of those that answer without a token of the identity service."""

    path: str
    handler: SocketHandler


def token_header(scope: Scope) -> str | None:
    """The token, where OpenStack's clients put it."""
    return Headers(scope=scope).get("x-auth-token")


@dataclass(frozen=True)
class Dialect:
    """One service on the wire. A path is tried under each prefix (Cinder's may carry the project).
    `credential` finds what the plane's authenticator is given. `service_types` are the catalog's names for
    it, where they are not the dialect's own. `slash_is_empty_name`: a path that ends in a slash is that of a
    thing without a name, not of the list, so that nobody takes a list for one thing."""

    name: str
    prefixes: tuple[str, ...]
    routes: tuple[Route, ...]
    faults: FaultTable
    microversions: MicroversionRange | None = None
    credential: Credential = token_header
    service_types: tuple[str, ...] = ()
    slash_is_empty_name: bool = False

    def names_nothing(self, path: str) -> bool:
        """Whether the path has an empty name at its end."""
        return self.slash_is_empty_name and path.endswith("/") and path.rstrip("/") not in self.prefixes


@dataclass
class _Node:
    literal: dict[str, "_Node"] = field(default_factory=dict)
    named: "_Node | None" = None
    routes: dict[str, tuple[Dialect, Route, tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Match:
    """A found route, with the dialect it belongs to and the named pieces of the path."""

    dialect: Dialect
    route: Route
    params: dict[str, str]


class RouteMap:
    """All dialects' routes as one tree by path segment: finding costs the path's length, not the table's."""

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self._root = _Node()
        self._dialects = sorted(
            ((prefix, dialect) for dialect in dialects for prefix in dialect.prefixes),
            key=lambda pair: -len(pair[0]),
        )
        for dialect in dialects:
            for prefix in dialect.prefixes:
                for route in dialect.routes:
                    self._add(dialect, prefix, route)

    def find(self, method: str, path: str) -> Match | set[str]:
        """The route, or the methods that the path does have (none: no such path)."""
        segments = path.strip("/").split("/")
        allowed: set[str] = set()
        for node, values in self._nodes(self._root, segments, ()):
            found = node.routes.get(method) or (node.routes.get("GET") if method == "HEAD" else None)
            if found:
                dialect, route, names = found
                return Match(dialect, route, dict(zip(names, values, strict=True)))
            allowed |= node.routes.keys()
        return allowed

    def dialect_of(self, path: str) -> Dialect | None:
        """Whose envelope a failure at this path is told in."""
        for prefix, dialect in self._dialects:
            if path.startswith(prefix):
                return dialect
        return None

    def _add(self, dialect: Dialect, prefix: str, route: Route) -> None:
        node, names = self._root, []
        for segment in f"{prefix}{route.path}".strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
                node.named = node.named or _Node()
                node = node.named
            else:
                node = node.literal.setdefault(segment, _Node())
        if route.method in node.routes:
            raise ValueError(f"two routes for {route.method} {prefix}{route.path}")
        node.routes[route.method] = (dialect, route, tuple(names))

    def _nodes(
        self, node: _Node, segments: Sequence[str], values: tuple[str, ...]
    ) -> Iterator[tuple[_Node, tuple[str, ...]]]:
        """Every node that the path fits, literal pieces before named ones."""
        if not segments:
            if node.routes:
                yield node, values
            return
        head, tail = segments[0], segments[1:]
        if head in node.literal:
            yield from self._nodes(node.literal[head], tail, values)
        if node.named is not None and head:
            yield from self._nodes(node.named, tail, (*values, head))
