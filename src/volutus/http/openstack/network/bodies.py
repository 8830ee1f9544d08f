"""Bodies as Neutron has them: one object under its name, or many under the plural of it.

Numbers and booleans may come as strings: Neutron converts them, and old clients rely on it.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from volutus.errors import Invalid
from volutus.http.kernel import Request
from volutus.http.kernel.bodies import convert, decode
from volutus.network.errors import InvalidInput, PolicyNotAuthorized

T = TypeVar("T")

# One transaction makes them all; more would hold its locks for too long.
BULK_MAX = 500


class Named(msgspec.Struct, forbid_unknown_fields=True):
    """What every body can say: whose the object is, by either of two names."""

    project_id: str | UnsetType | None = UNSET
    tenant_id: str | UnsetType | None = UNSET


def read_one(request: Request, noun: str, shape: type[T]) -> T:
    """`{noun: {…}}`. Raises Invalid naming the field."""
    document = _document(request)
    if set(document) != {noun}:
        raise Invalid(f"Resource body required: '{noun}'.", field=noun)
    return convert(_object(document[noun], noun), shape)


def read_many(request: Request, noun: str, plural: str, shape: type[T]) -> tuple[list[T], bool]:
    """`{noun: {…}}` or `{plural: [{…}, …]}`; whether it was the second."""
    document = _document(request)
    if plural not in document:
        return [read_one(request, noun, shape)], False
    items = document[plural]
    if not isinstance(items, list) or not items:
        raise Invalid(f"Resources required: '{plural}' should be a list of objects.", field=plural)
    if len(items) > BULK_MAX:
        raise Invalid(f"At most {BULK_MAX} objects can be made by one request.", field=plural)
    return [convert(_object(item, plural), shape) for item in items], True


def project_of(request: Request, body: Named) -> str:
    """Whose the new object is: the caller's, or whoever's an administrator names."""
    named = body.project_id or body.tenant_id
    if not named:
        return request.caller.own_project()
    if named != request.caller.project_id and not request.caller.is_admin:
        raise InvalidInput(
            "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request "
            "requires admin privileges"
        )
    return str(named)


def require_attributes(request: Request, body: msgspec.Struct, permissions: Mapping[str, str]) -> None:
    """Some attributes are not for everybody. Raises PolicyNotAuthorized for one that was given."""
    for name, permission in permissions.items():
        if getattr(body, name) is not UNSET and not request.plane.policy.allows(permission, request.caller):
            raise PolicyNotAuthorized(f"(rule:{permission}) is disallowed by policy", field=name)


def if_revision(request: Request) -> int | None:
    """The revision that the caller saw: `If-Match: revision_number=N`."""
    header = request.headers.get("if-match")
    if header is None:
        return None
    name, _, value = header.strip().strip('"').partition("=")
    if name != "revision_number" or not value.isdigit():
        raise InvalidInput("If-Match must be of the form revision_number=N.", field="If-Match")
    return int(value)


def value_or(value: T | UnsetType | None, default: T) -> T:
    """What was given, or the default for what was left out or null."""
    return default if value is UNSET or value is None else value


def _document(request: Request) -> dict[str, Any]:
    return _object(decode(request.body, object), "the body")


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid(f"{name} should be an object.", field=name)
    return value
