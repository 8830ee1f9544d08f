"""Glance's envelope, and where its numbers differ from the usual."""

from typing import Any

from volutus import errors
from volutus.http.kernel import Fault, FaultTable
from volutus.image import faults


def envelope(fault: Fault) -> dict[str, Any]:
    """What Glance answers to clients that accept JSON."""
    return {"message": fault.message, "code": f"{fault.status} {fault.title}", "title": fault.title}


TABLE = FaultTable(
    envelope,
    {
        # Glance tells an upload whose image was deleted meanwhile that it is gone.
        faults.UploadLost: 410,
        errors.QuotaExceeded: 413,
    },
)
