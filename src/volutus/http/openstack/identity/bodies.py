"""How bodies and queries of this API are read: one named object, attributes we know and others we keep."""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from volutus.errors import Invalid
from volutus.http.kernel import Request
from volutus.http.kernel.bodies import convert_strictly
from volutus.identity import Identity
from volutus.identity.records import Filter

T = TypeVar("T")

# What a client may hang on an object beyond the attributes we know.
EXTRA_MAX = 64
_OURS = frozenset({"id", "links", "extra"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})


def identity_of(request: Request) -> Identity:
    """This process's identity parts."""
    found: Identity = request.plane.parts["identity"]
    return found


def read_object(
    request: Request, name: str, shape: type[T], prepare: Callable[[dict[str, Any]], None] | None = None
) -> tuple[T, dict[str, Any]]:
    """The object called `name` in the body, and the attributes that `shape` does not have."""
    body = request.read(dict[str, Any])
    value = body.get(name)
    if not isinstance(value, dict):
        raise Invalid(f"Invalid input for {name}: an object is required.", field=name)
    if prepare is not None:
        prepare(value)
    known = {f.name for f in fields(shape)}  # type: ignore[arg-type]
    extra = {key: part for key, part in value.items() if key not in known and key not in _OURS}
    if len(extra) > EXTRA_MAX:
        raise Invalid(
            f"Invalid input for {name}: it has more than {EXTRA_MAX} further attributes.", field=name
        )
    return convert_strictly(value, shape, name), extra


def with_moment(name: str) -> Callable[[dict[str, Any]], None]:
    """Reads a time in any form of ISO 8601; without a zone it is in UTC, as Keystone has it."""

    def prepare(value: dict[str, Any]) -> None:
        if isinstance(value.get(name), str):
            try:
                at = datetime.fromisoformat(value[name])
            except ValueError:
                raise Invalid(
                    f"Invalid input for {name}: {value[name]!r} is not a time.", field=name
                ) from None
            value[name] = at if at.tzinfo else at.replace(tzinfo=UTC)

    return prepare


def flag(request: Request, name: str) -> bool | None:
    """A query parameter that is a switch: present without a value means yes."""
    text = request.query.get(name)
    return None if text is None else text.strip().lower() not in _FALSE


def filters(request: Request, *names: str) -> dict[str, str]:
    """Those of the query parameters that were given."""
    return {name: request.query[name] for name in names if name in request.query}


def column_filters(request: Request, *names: str) -> list[Filter]:
    """Conditions on columns: `name=x`, `enabled=true`, `name__icontains=x`. Others are ignored, as
    Keystone does."""
    found = []
    for key, text in request.query.multi_items():
        name, _, how = key.partition("__")
        if name not in names:
            continue
        if name == "enabled":
            found.append(Filter(name, text.strip().lower() not in _FALSE))
        elif name == "name" or not how:
            found.append(Filter(name, text, how or "equals"))
    return found
