"""What updates of all objects share: which fields were given, and whether the caller saw the newest state."""

from dataclasses import fields
from typing import Any

from msgspec import UNSET

from volutus.network.errors import RevisionNumberConstraintFailed


def given(order: Any) -> dict[str, Any]:
    """The fields of an order or a change that were set, by name; tuples as lists, as SQL wants them."""
    values = {field.name: getattr(order, field.name) for field in fields(order)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value is not UNSET
    }


def check_revision(found: int, expected: int | None) -> None:
    """Refuse a change that was decided on an older state. The row must be locked by now."""
    if expected is not None and found != expected:
        raise RevisionNumberConstraintFailed(f"Constrained to {expected}, but current revision is {found}")
