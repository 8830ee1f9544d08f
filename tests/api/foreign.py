"""Objects of somebody else, for the tests that walk all routes: how a service says what it has.

A service's tests offer a module `tests/api/SERVICE/foreign.py` with `FOREIGN = Foreign(...)`. The walk over
bad input takes its valid bodies, which it spoils, from the same place.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.conftest import make_caller
from volutus.db import Tx
from volutus.http.kernel import Dialect, Plane, Route

Maker = Callable[[Tx, Plane], str]
Build = Callable[[Tx, Plane], tuple[str, str, Any]]

PROJECT = "project-of-theirs"
# Who owns what the makers make, with and without the role that opens every door.
THEM = make_caller(PROJECT, user="them")
THEIR_ADMIN = make_caller(PROJECT, "admin", user="them")
STRANGER = make_caller("project-of-a-stranger", user="a-stranger")
# What a piece of a path that names no object is in all these tests: keys of metadata, tags.
KEY = "x"


@dataclass(frozen=True)
class Foreign:
    """`objects`: a named piece of a path to what makes such an object in a project that is not the caller's
    and answers its id. Where pieces of one name stand for several kinds, the segment before is put in front:
    `servers/id`. `shared`: pieces that name what everybody may see (flavors) or no object at all (versions,
    keys of metadata). `bodies`: a valid body of each writing route, by method and path below the prefix,
    with makers where it names objects; a tuple where a route has several. `operators`: further bodies that
    only an administrator may send.
    `statuses`: what is as good as 404 for this service; `refused`: routes that say 403, or 400, before
    they look, or to whoever lacks a secret.
    `references`: requests of a stranger about objects of its own that name somebody else's in the body
    or the query. `headers` go with every request."""

    objects: Mapping[str, Maker]
    shared: frozenset[str] = frozenset()
    bodies: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    operators: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    statuses: frozenset[int] = frozenset({404})
    refused: frozenset[tuple[str, str]] = frozenset()
    references: Mapping[str, Build] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def maker(self, name: str) -> Maker | None:
        """What makes the object that a piece of a path names, if any. `name` as `pieces` gives it."""
        if name in self.shared:
            return None
        return self.objects.get(name) or self.objects.get(name.rpartition("/")[2])

    def knows(self, name: str) -> bool:
        """Whether the service has said what this piece of a path is."""
        return self.maker(name) is not None or bool({name, name.rpartition("/")[2]} & self.shared)

    def orders(self, route: Route, *, operators: bool = False) -> tuple[Any, ...]:
        """The valid bodies of a route; one None where it takes none."""
        found = self.bodies.get((route.method, route.path))
        bodies = found if isinstance(found, tuple) else (found,)
        more = self.operators.get((route.method, route.path), ()) if operators else ()
        return bodies + (more if isinstance(more, tuple) else (more,))

    def path(self, dialect: Dialect, route: Route, tx: Tx, plane: Plane) -> str:
        """The route's path with ids of objects made for it."""
        made = []
        before = ""
        for segment in route.path.split("/"):
            if segment.startswith("{"):
                maker = self.maker(f"{before}/{segment[1:-1]}")
                made.append(maker(tx, plane) if maker else KEY)
            else:
                made.append(segment)
            before = segment
        return dialect.prefixes[0] + "/".join(made)


def filled(value: Any, tx: Tx, plane: Plane) -> Any:
    """A body in which each maker is replaced by the id of what it makes."""
    if callable(value):
        return value(tx, plane)
    if isinstance(value, dict):
        return {key: filled(one, tx, plane) for key, one in value.items()}
    return [filled(one, tx, plane) for one in value] if isinstance(value, list) else value


def header_of(foreign: Foreign, route: Route) -> dict[str, str]:
    """What goes with a request on this route."""
    more = {"Content-Type": "application/octet-stream"} if route.streams else {}
    return {**foreign.headers, **more}


def pieces(route: Route) -> Iterator[str]:
    """The named pieces of a path, each with the segment before it."""
    segments = route.path.split("/")
    for before, segment in pairwise(segments):
        if segment.startswith("{"):
            yield f"{before}/{segment[1:-1]}"
