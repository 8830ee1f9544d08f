"""Cinder's envelope, `{"itemNotFound": {"code": 404, "message": …}}`, and where its numbers differ."""

from typing import Any

from volutus import errors
from volutus.http.kernel import Fault
from volutus.volume import transfers
from volutus.volume.faults import AlreadyExists, TypeInUse, WrongStatus

_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    402: "paymentRequired",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    501: "notImplemented",
    503: "serviceUnavailable",
}
# Cinder calls a status that does not fit a bad request, and quota a matter of size.
STATUSES: dict[type[errors.VolutusError], int] = {
    errors.QuotaExceeded: 413,
    WrongStatus: 400,
    TypeInUse: 400,
    AlreadyExists: 409,
    transfers.WrongKey: 400,
}


def envelope(fault: Fault) -> dict[str, Any]:
    """The document of one failure."""
    body: dict[str, Any] = {"code": fault.status, "message": fault.message}
    if fault.status == 413:
        body["retryAfter"] = "0"
    return {_NAMES.get(fault.status, "computeFault"): body}
