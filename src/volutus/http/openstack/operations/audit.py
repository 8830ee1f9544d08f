"""`/v1/audit`: who changed what, newest first, searched by any of what a record has."""

from typing import Any

from starlette.responses import Response

from volutus import audit
from volutus.errors import Invalid
from volutus.http.kernel import Request, document, whole_number

PAGE_MAX = 200
_FILTERS = ("object_kind", "object_id", "user_id", "project_id", "request_id", "action")


def index(request: Request) -> Response:
    """One page; `marker` is the id of the last record of the page before."""
    wanted = {name: request.query[name] for name in _FILTERS if request.query.get(name)}
    limit = min(_number(request, "limit") or PAGE_MAX, PAGE_MAX)
    found = audit.search(request.tx, wanted, before_id=_number(request, "marker"), limit=limit)
    rows: list[dict[str, Any]] = [
        {**row._mapping, "id": str(row.id), "at": row.at.isoformat()} for row in found
    ]
    return document({"audit": rows})


def _number(request: Request, name: str) -> int | None:
    text = request.query.get(name)
    if not text:
        return None
    number = whole_number(text)
    if number is None:
        raise Invalid(f"{name} is a whole number.", field=name)
    return number
