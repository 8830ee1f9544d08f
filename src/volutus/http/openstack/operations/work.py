"""`/v1/work`: long work that failed and is tried again, or is past its deadline."""

from datetime import datetime

from starlette.responses import Response

from volutus import reconcile
from volutus.errors import Invalid
from volutus.http.kernel import Request, document, whole_number

SHOWN_MAX = 200
ATTEMPTS_DEFAULT = 1


def index(request: Request) -> Response:
    """The worst first; `attempts` is how often it must have failed, 0 lists all that is under way."""
    attempts = whole_number(request.query.get("attempts", str(ATTEMPTS_DEFAULT)))
    if attempts is None:
        raise Invalid("attempts is a whole number.", field="attempts")
    found = reconcile.stuck(request.tx, attempts=attempts, count=SHOWN_MAX)
    rows = [
        {
            "kind": row.kind,
            "key": row.key,
            "attempts": row.attempts,
            "why": row.why,
            "due_at": _shown(row.due_at),
            "deadline_at": _shown(row.deadline_at),
        }
        for row in found
    ]
    return document({"work": rows})


def _shown(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
