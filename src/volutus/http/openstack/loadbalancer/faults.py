"""Failures as Octavia tells them: `{"faultcode", "faultstring", "debuginfo"}`."""

from typing import Any

from volutus import errors
from volutus.http.kernel import Fault, FaultTable, openstack_fault
from volutus.network.loadbalancer.errors import UnsupportedOption

_UNAUTHENTICATED = 401
_NOT_IMPLEMENTED = 501


def octavia_fault(fault: Fault) -> dict[str, Any]:
    """The envelope. Who has no valid token is told by Keystone's middleware, in Keystone's form."""
    if fault.status == _UNAUTHENTICATED:
        return openstack_fault(fault)
    code = "Client" if fault.status < 500 or fault.status == _NOT_IMPLEMENTED else "Server"
    return {"faultcode": code, "faultstring": fault.message, "debuginfo": None}


FAULTS = FaultTable(octavia_fault, {errors.QuotaExceeded: 403, UnsupportedOption: _NOT_IMPLEMENTED})
