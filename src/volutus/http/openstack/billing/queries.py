"""Query parameters of this API: times, whole numbers, and the page of a ledger."""

from datetime import UTC, datetime, timedelta

from volutus.billing.cycles import month_of
from volutus.errors import Invalid
from volutus.http.kernel import Request, whole_number

# A span of time that a question without one means.
SPAN = timedelta(days=30)


def moment(request: Request, name: str) -> datetime | None:
    """A time with its zone; without one it is UTC."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "+"))
    except ValueError as error:
        raise Invalid(f"{name} is a time such as 2026-11-21T12:00:00Z, not {text!r}", field=name) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def number(request: Request, name: str, default: int, most: int) -> int:
    """A whole number above zero, no greater than `most`."""
    text = request.query.get(name)
    if text is None:
        return default
    found = whole_number(text)
    if not found:
        raise Invalid(f"{name} is a whole number above zero, not {text[:20]!r}", field=name)
    return min(found, most)


def span(request: Request, days_max: int | None = None) -> tuple[datetime, datetime]:
    """`month` (2026-11), or `since` and `until`, at most so many days; the last 30 days without them."""
    if (month := request.query.get("month")) is not None:
        return _month(month)
    until = moment(request, "until") or request.tx.now
    since = moment(request, "since") or until - SPAN
    if since >= until:
        raise Invalid("since is before until.", field="since")
    if days_max is not None and until - since > timedelta(days=days_max):
        raise Invalid(f"At most {days_max} days are asked for at a time.", field="since")
    return since, until


def _month(text: str) -> tuple[datetime, datetime]:
    try:
        first = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid(f"month is a month such as 2026-11, not {text[:20]!r}", field="month") from error
    return first, month_of(first + timedelta(days=32))[0]
