"""Request bodies into Structs, with errors that name the field."""

import re
from typing import TypeVar

import msgspec

from volutus.errors import Invalid

T = TypeVar("T")

# The widest whole numbers that the database has.
NUMBER_MAX = 2**63 - 1
_AT = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")
_FIELD = re.compile(r"field `([^`]*)`")


def decode(body: bytes, shape: type[T]) -> T:
    """The body as `shape`. Raises Invalid with `field` as a dotted path (`server.name`)."""
    if not body:
        raise Invalid("The request has no body.")
    try:
        _check_values(msgspec.json.decode(body))
        return msgspec.json.decode(body, type=shape, strict=True)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except RecursionError as error:
        raise Invalid("The body is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The body is not valid JSON: {error}") from error


def convert(value: object, shape: type[T]) -> T:
    """The same for a part of a body that is already decoded, and for query parameters (`strict` is off)."""
    try:
        return msgspec.convert(value, shape, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error


def convert_strictly(value: object, shape: type[T], path: str) -> T:
    """A part of a body that is already decoded, found at `path`; types are not bent to fit."""
    try:
        return msgspec.convert(value, shape, strict=True)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), path) from error


def _check_values(value: object, path: str = "") -> None:
    """Raise Invalid for what no part of any API can mean and the database cannot keep: NUL characters, halves
    of surrogate pairs, numbers beyond 64 bits."""
    if isinstance(value, str):
        check_text(value, path)
    elif isinstance(value, int) and abs(value) > NUMBER_MAX:
        raise Invalid(f"Invalid input for {path or 'the body'}: the number is too large.", field=path or None)
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_text(key, path)
            _check_values(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _check_values(inner, f"{path}[{position}]")


def check_text(text: str, path: str) -> None:
    """Raise Invalid for text that PostgreSQL refuses to keep."""
    if "\x00" in text:
        raise Invalid(f"Invalid input for {path or 'the body'}: it has a NUL character.", field=path or None)


def _invalid(text: str, root: str = "") -> Invalid:
    where = _AT.search(text)
    path = ".".join(part for part in (root, where[1] if where else "") if part)
    named = _FIELD.search(text)
    if named:
        path = f"{path}.{named[1]}" if path else named[1]
    reason = _AT.sub("", text)
    return Invalid(f"Invalid input for {path}: {reason}" if path else reason, field=path or None)
