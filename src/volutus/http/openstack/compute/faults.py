"""Failures as Nova tells them: `{"itemNotFound": {"code": 404, "message": "…"}}`."""

from typing import Any

from volutus import errors
from volutus.compute import faults
from volutus.http.kernel import Fault, FaultTable
from volutus.volume.faults import WrongStatus

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
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def envelope(fault: Fault) -> dict[str, Any]:
    """The one key is the failure's name."""
    name = _NAMES.get(fault.status, "computeFault")
    return {name: {"code": fault.status, "message": fault.message}}


TABLE = FaultTable(
    envelope,
    {
        errors.QuotaExceeded: 403,
        errors.NoCapacity: 409,
        errors.TooLarge: 413,
        faults.TooMany: 403,
        # Nova takes the wrong volume for a wrong order: 409 is about the server's own state.
        WrongStatus: 400,
    },
)
