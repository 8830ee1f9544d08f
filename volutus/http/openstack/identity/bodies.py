"""How bodies and queries of this API are read: one named object, attributes we know and others we keep."""

from dataclasses import fields
from typing import Any, TypeVar

from volutus.errors import Invalid
from volutus.http.kernel import Request
from volutus.http.kernel.bodies import convert_strictly
from volutus.identity import Identity

T = TypeVar("T")

# What a client may hang on an object beyond the attributes we know.
EXTRA_MAX = 64
_OURS = frozenset({"id", "links", "extra"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})


def identity_of(request: Request) -> Identity:
    """This process's identity parts."""
    found: Identity = request.plane.parts["identity"]
    return found


def read_object(request: Request, name: str, shape: type[T]) -> tuple[T, dict[str, Any]]:
    """The object called `name` in the body, and the attributes that `shape` does not have."""
    body = request.read(dict[str, Any])
    value = body.get(name)
    if not isinstance(value, dict):
        raise Invalid(f"Invalid input for {name}: an object is required.", field=name)
    known = {f.name for f in fields(shape)}  # type: ignore[arg-type]
    extra = {key: part for key, part in value.items() if key not in known and key not in _OURS}
    if len(extra) > EXTRA_MAX:
        raise Invalid(
            f"Invalid input for {name}: it has more than {EXTRA_MAX} further attributes.", field=name
        )
    return convert_strictly(value, shape, name), extra


def read_exactly(request: Request, name: str, shape: type[T]) -> T:
    """The same for objects that take no further attributes."""
    value, extra = read_object(request, name, shape)
    for key in extra:
        raise Invalid(f"Invalid input for {name}.{key}: there is no such attribute.", field=f"{name}.{key}")
    return value


def flag(request: Request, name: str) -> bool | None:
    """A query parameter that is a switch: present without a value means yes."""
    text = request.query.get(name)
    return None if text is None else text.strip().lower() not in _FALSE


def filters(request: Request, *names: str) -> dict[str, str]:
    """Those of the query parameters that were given."""
    return {name: request.query[name] for name in names if name in request.query}
