"""Placement's envelope: a list of errors, as the API working group has it."""

from typing import Any

from volutus.http.kernel import Fault


def envelope(fault: Fault) -> dict[str, Any]:
    """The document of one failure."""
    error = {
        "status": fault.status,
        "title": fault.title,
        "detail": fault.message,
        "code": "placement.undefined_code",
        "request_id": fault.request_id,
    }
    return {"errors": [error]}
