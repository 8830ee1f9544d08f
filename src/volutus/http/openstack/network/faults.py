"""Failures as Neutron tells them: `{"NeutronError": {"type", "message", "detail"}}`.

The domain's error classes are named as Neutron's, so the class is the type; families that are not the
domain's own get the name that Neutron's front would give them.
"""

from typing import Any

from volutus import errors
from volutus.http.kernel import Fault, FaultTable, openstack_fault

_UNAUTHENTICATED = 401
_FAMILIES: dict[type[errors.VolutusError], str] = {
    errors.Invalid: "HTTPBadRequest",
    errors.Forbidden: "PolicyNotAuthorized",
    errors.NotFound: "HTTPNotFound",
    errors.Conflict: "HTTPConflict",
    errors.TooLarge: "HTTPRequestEntityTooLarge",
    errors.Unavailable: "ServiceUnavailable",
    errors.QuotaExceeded: "OverQuota",
    errors.Unpaid: "PaymentRequired",
}
_BY_STATUS = {404: "HTTPNotFound", 405: "HTTPMethodNotAllowed", 500: "HTTPInternalServerError"}


def neutron_fault(fault: Fault) -> dict[str, Any]:
    """The envelope. Who has no valid token is told by Keystone's middleware, in Keystone's form."""
    if fault.status == _UNAUTHENTICATED:
        return openstack_fault(fault)
    return {"NeutronError": {"type": _type(fault), "message": fault.message, "detail": ""}}


def _type(fault: Fault) -> str:
    if fault.error is None:
        return _BY_STATUS.get(fault.status, "HTTPBadRequest")
    if isinstance(fault.error, errors.QuotaExceeded):
        return "OverQuota"
    kind = type(fault.error)
    return _FAMILIES.get(kind, kind.__name__)


FAULTS = FaultTable(neutron_fault, {errors.QuotaExceeded: 409, errors.Stale: 412})
