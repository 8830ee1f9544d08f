"""How failures are told: OpenStack's envelope, and 402 with what is missing where funds do not cover an
order."""

from typing import Any

from volutus.billing.accounts import NotEnoughFunds
from volutus.http.kernel import Fault, FaultTable, openstack_fault


def _envelope(fault: Fault) -> dict[str, Any]:
    told = openstack_fault(fault)
    if isinstance(fault.error, NotEnoughFunds):
        told["error"] |= {"missing": f"{fault.error.missing:f}", "currency": fault.error.currency}
    if fault.error is not None and fault.error.field:
        told["error"]["field"] = fault.error.field
    return told


FAULTS = FaultTable(_envelope)
