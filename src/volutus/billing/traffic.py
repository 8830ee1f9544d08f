"""Outgoing traffic: paid by volume, or by a committed rate that is admitted against the uplink.

While a thing has a committed rate (usage of `bandwidth_mbit`) its bytes cost nothing; without one its counted
bytes do. Changing is opening or closing that usage, so the next bill's lines change with it.
"""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text

from volutus import audit, metering
from volutus.billing import money
from volutus.billing.meters import GIB, MONTH_S
from volutus.db import Tx
from volutus.errors import Conflict, Invalid, NoCapacity
from volutus.identity import Caller

METER_RATE = "bandwidth_mbit"
METER_VOLUME = "traffic_out_bytes"
BITS_PER_MBIT = 1_000_000


class UplinkFull(NoCapacity):
    code = "billing.uplink_full"


@dataclass(frozen=True)
class RateOrder:
    """So many Mbit/s, promised to one thing."""

    resource_kind: str
    resource_id: str
    mbit: Decimal


_SET_UPLINK = text(
    """
    INSERT INTO billing_uplink (region, mbit) SELECT region, :mbit FROM billing_region
    ON CONFLICT (region) DO UPDATE SET mbit = excluded.mbit
    """
)
# Whoever commits holds the uplink's row: two at once cannot both have the last of it.
_UPLINK = text("SELECT mbit FROM billing_uplink LIMIT 1 FOR UPDATE")
_PROMISED = text(
    """
    SELECT coalesce(sum(amount), 0) FROM usage_ranges WHERE meter = :meter AND upper_inf(during)
        AND NOT (resource_kind = :kind AND resource_id = :id)
    """
)
_OWNER = text(
    """
    SELECT project_id FROM usage_ranges WHERE resource_kind = :kind AND resource_id = :id AND meter = :meter
        AND upper_inf(during) LIMIT 1
    """
)


def set_uplink(tx: Tx, caller: Caller, mbit: Decimal) -> None:
    """How much the region can promise in all."""
    if not tx.changed(_SET_UPLINK, {"mbit": mbit}):
        raise Conflict("Billing has not been opened in this cloud.")
    audit.record(tx, caller, "set_uplink", "billing.uplink", "region", {"mbit": str(mbit)})


def by_rate(tx: Tx, caller: Caller, order: RateOrder) -> None:
    """Promise a rate, or another one. Raises UplinkFull where the promises would be more than the uplink."""
    if order.mbit <= 0:
        raise Invalid("The rate is above zero.", field="mbit")
    kind, resource_id = order.resource_kind, order.resource_id
    total = tx.value(_UPLINK)
    promised = tx.value(_PROMISED, {"meter": METER_RATE, "kind": kind, "id": resource_id})
    if total is None or promised + order.mbit > total:
        free = max(total - promised, Decimal(0)) if total is not None else Decimal(0)
        raise UplinkFull(f"{free} Mbit/s of the uplink can still be promised.")
    project_id = caller.own_project()
    _check_owner(tx, kind, resource_id, project_id)
    metering.change_usage(tx, metering.Usage(project_id, kind, resource_id, METER_RATE, order.mbit))
    audit.record(tx, caller, "by_rate", f"billing.{kind}", resource_id, {"mbit": str(order.mbit)})


def by_volume(tx: Tx, caller: Caller, resource_kind: str, resource_id: str) -> None:
    """From now on bytes are paid for."""
    _check_owner(tx, resource_kind, resource_id, caller.own_project())
    metering.close_usage(tx, resource_kind, [resource_id], METER_RATE)
    audit.record(tx, caller, "by_volume", f"billing.{resource_kind}", resource_id)


def most_bytes(cap_mbit: Decimal, seconds: int = MONTH_S) -> Decimal:
    """What can go out at most in a time under a cap."""
    return cap_mbit * BITS_PER_MBIT * seconds / 8


def most_cost(cap_mbit: Decimal, price: Decimal) -> Decimal:
    """What a month of traffic can cost at most under a cap, at a price by the GB."""
    return money.charge(most_bytes(cap_mbit), price, Decimal(GIB))


def _check_owner(tx: Tx, kind: str, resource_id: str, project_id: str) -> None:
    owner = tx.value(_OWNER, {"kind": kind, "id": resource_id, "meter": METER_RATE})
    if owner is not None and owner != project_id:
        raise Conflict("This has a committed rate of another project.")
