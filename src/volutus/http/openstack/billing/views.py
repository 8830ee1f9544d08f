"""Objects as documents: amounts as strings of plain digits, times in UTC, a table as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from volutus.billing import money
from volutus.billing.cycles import CYCLE_S, start_of
from volutus.billing.ledger import Line
from volutus.billing.meters import meter_of
from volutus.http.kernel import Request
from volutus.http.kernel.requests import Call

Document = dict[str, Any]


def shown(value: Any) -> Any:
    """Any of the domain's objects: its fields by their names."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return moment(value)
    if is_dataclass(value):
        return {field.name: shown(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: shown(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [shown(part) for part in value]
    return value


def moment(at: datetime) -> str:
    """`2026-11-21T12:00:00Z`, with a fraction only where there is one."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def ledger_line(line: Line) -> Document:
    """A line of the ledger: `end` is `initial` and `amount`, and the next line's `initial`."""
    return {
        "id": line.transfer_id,
        "number": line.number,
        "time": moment(line.at),
        "billing_cycle": line.cycle,
        "billing_cycle_start": None if line.cycle is None else moment(start_of(line.cycle)),
        "kind": line.kind,
        "reason": reason(line),
        "amount": f"{line.amount:f}",
        "initial": f"{line.before:f}",
        "end": f"{line.after:f}",
        "currency": line.currency,
        "project_id": line.project_id,
        "meter": line.meter,
        "quantity": None if line.quantity is None else f"{line.quantity:f}",
        "price": None if line.price is None else f"{line.price:f}",
        "per": None if line.per is None else f"{line.per:f}",
    }


def reason(line: Line) -> str:
    """The line in words: what, how much of it over the cycle, at which price. What was not had for the whole
    of a cycle, or changed in it, is told as what that is on average, with the quantity that is charged."""
    if line.meter is None or line.quantity is None or line.price is None:
        return f"{line.kind.replace('_', ' ').capitalize()}: {line.purpose.partition('/')[2]}"
    meter = meter_of(line.meter)
    amount = money.ratio(line.quantity, Decimal(meter.scale))
    if meter.is_counted:
        had = f"{_short(amount)} {meter.shown} of {meter.label}"
    else:
        mean = _short(money.ratio(amount, Decimal(CYCLE_S)))
        seconds = f"{_short(amount)} {meter.shown} × s"
        had = f"{mean} {meter.shown} of {meter.label} for {CYCLE_S // 60} minutes ({seconds})"
    price = f"{line.price:f}".rstrip("0").rstrip(".")
    what = "Burst" if line.kind == "usage" else line.kind.capitalize()
    return f"{what}: {had} at {price} {line.currency} per {meter.unit}"


def _short(amount: Decimal) -> str:
    """To six places, for eyes: the exact quantity stands beside it."""
    return f"{amount:.6f}".rstrip("0").rstrip(".")


def table(rows: Sequence[Document], name: str) -> Response:
    """Documents of one form as CSV."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _safe(value) for key, value in row.items()} for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(out.getvalue(), 200, headers, media_type="text/csv; charset=utf-8")


def wants_csv(request: Request | Call) -> bool:
    """Asked for by the query or by the header."""
    return request.query.get("format") == "csv" or "text/csv" in request.headers.get("accept", "")


def _safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is told to be one. Amounts stay numbers."""
    if isinstance(value, str) and value[:1] in ("=", "+", "@", "\t", "\r"):
        return f"'{value}"
    return value
