"""Whether hosts have audited their servers' usage in a period. None ever has to: usage is metered as it
happens, in the transaction that observed it, so every host is done with each period when it ends.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from starlette.responses import Response

from volutus import placement
from volutus.errors import Invalid
from volutus.http.kernel import Request, document
from volutus.placement.hosts import HostQuery


def index(request: Request) -> Response:
    """The last whole month."""
    return document({"instance_usage_audit_logs": _log(request, request.tx.now)})


def show(request: Request) -> Response:
    """The last whole month before a time."""
    text = unquote(request.params["before"])
    try:
        before = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"Invalid timestamp for date {text}", field="before") from error
    return document({"instance_usage_audit_log": _log(request, before)})


def _log(request: Request, before: datetime) -> dict[str, Any]:
    end = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    begin = (end - timedelta(days=1)).replace(day=1)
    count = len(placement.hosts.search(request.tx, HostQuery()))
    return {
        "log": {},
        "num_hosts": count,
        "num_hosts_done": count,
        "num_hosts_running": 0,
        "num_hosts_not_run": 0,
        "hosts_not_run": [],
        "overall_status": "ALL hosts done. 0 errors.",
        "period_beginning": str(begin),
        "period_ending": str(end),
        "total_errors": 0,
        "total_instances": 0,
    }
