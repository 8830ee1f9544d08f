"""Objects of somebody else, for the test that walks all routes: how a service says what it has.

A service's tests offer a module `tests/api/SERVICE/foreign.py` with `FOREIGN = Foreign(...)`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from volutus.db import Tx
from volutus.http.kernel import Plane


@dataclass(frozen=True)
class Foreign:
    """`objects`: a named piece of a path to what makes such an object in a project that is not the caller's
    and answers its id. `shared`: pieces that name what everybody may see (flavors) or no object at all
    (versions, keys of metadata). `bodies`: what a request needs to get as far as looking for the object, by
    method and path below the prefix; a method without one may be refused for its body instead.
    `statuses`: what is as good as 404 for this service."""

    objects: Mapping[str, Callable[[Tx, Plane], str]]
    shared: frozenset[str] = frozenset()
    bodies: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    statuses: frozenset[int] = frozenset({404})
