"""Reading Cinder's requests: bodies under one key, and its ways of writing query parameters."""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from volutus.db import Page
from volutus.db.paging import PAGE_MAX
from volutus.errors import Invalid, NotFound
from volutus.http.kernel import HttpProblem, Request, Version, decode
from volutus.http.kernel.bodies import convert

T = TypeVar("T", bound=msgspec.Struct)
Row = TypeVar("Row")

# From here on Cinder refuses fields that it does not know.
STRICT = Version(3, 53)
TEXT_MAX = 255
_TRUE = ("1", "t", "true", "on", "y", "yes")
_FALSE = ("0", "f", "false", "off", "n", "no")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def read(request: Request, key: str, shape: type[T]) -> T:
    """The part of the body under `key`. Numbers and booleans may come as text, as Cinder's schemas allow."""
    raw = decode(request.body, dict[str, Any])
    if not isinstance(raw.get(key), dict):
        raise Invalid(f"Invalid input for {key}: the body has no such object.", field=key)
    return convert_part(request, key, raw[key], shape)


def convert_part(request: Request, key: str, value: Mapping[str, Any], shape: type[T]) -> T:
    """The same for a part that is read already."""
    if request.microversion >= STRICT:
        known = {field.encode_name for field in msgspec.structs.fields(shape)}
        for name in value:
            if name not in known:
                raise Invalid(
                    f"Additional properties are not allowed ('{name}' was unexpected)", field=f"{key}.{name}"
                )
    return convert(value, shape)


def flag(request: Request, name: str, default: bool = False) -> bool:
    """A boolean query parameter. Raises Invalid for a word that is neither."""
    text = request.query.get(name)
    if text is None or text == "":
        return default
    return boolean(text, name)


def boolean(value: Any, name: str) -> bool:
    """A boolean in one of the ways in which clients write it."""
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise Invalid(f"Invalid value '{value}' for '{name}': it must be a boolean.", field=name)


def pairs(value: Any, name: str = "metadata") -> dict[str, str]:
    """Metadata: text to text, neither too long. Raises Invalid."""
    if not isinstance(value, dict):
        raise Invalid(f"Invalid input for {name}: it must be an object.", field=name)
    for key, text in value.items():
        if not isinstance(text, str) or len(text) > TEXT_MAX or not 0 < len(key) <= TEXT_MAX:
            raise Invalid(
                f"Invalid input for {name}: keys have 1 to {TEXT_MAX} characters, values are text of at most "
                f"{TEXT_MAX}.",
                field=name,
            )
    return value


def metadata_filter(request: Request) -> dict[str, str] | None:
    """`?metadata={'key': 'value'}`, written as Python writes a dict."""
    text = request.query.get("metadata")
    if text is None:
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise Invalid("Invalid filter: metadata is not a dictionary.", field="metadata") from error
    if not isinstance(value, dict):
        raise Invalid("Invalid filter: metadata is not a dictionary.", field="metadata")
    return {str(key): str(one) for key, one in value.items()}


def cut(request: Request, page: Page, list_: Callable[[Page], list[Row]]) -> list[Row]:
    """A list as Cinder cuts it: a limit of 0 is an empty list, `offset` skips, and a marker that is not
    there is a thing not found."""
    offset, limit = request.query.get("offset", "0"), request.query.get("limit")
    if not offset.isdigit():
        raise Invalid(f"offset must be a whole number of 0 or more, not {offset!r}", field="offset")
    if limit == "0":
        return []
    skipped = min(int(offset), PAGE_MAX)
    try:
        return list_(replace(page, limit=page.limit + skipped))[skipped:]
    except Invalid as error:
        if error.field == "marker":
            raise NotFound(error.message) from error
        raise


def require_uuid(value: str | None, name: str) -> None:
    """Raise Invalid unless it looks like a UUID."""
    if value is not None and not _UUID.fullmatch(value):
        raise Invalid(f"Invalid input for {name}: '{value}' is not a 'uuid'.", field=name)


def since(request: Request, version: Version) -> None:
    """Raise 404 before the microversion that brought this."""
    if request.microversion < version:
        raise HttpProblem(
            404,
            f"API version {request.microversion} does not have this resource: ask for {version} or later, as "
            f"`openstack --os-volume-api-version {version}` does.",
        )


def missing(_request: Request) -> Any:
    """A path whose id is empty: the thing with no name is not found."""
    raise HttpProblem(404, "The resource could not be found.")
