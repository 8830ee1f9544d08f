"""The uplink: how much of it there is, and what of it is promised to ports as committed rates."""

from decimal import Decimal

from sqlalchemy import text

from volutus import audit, metering
from volutus.billing import admission, traffic
from volutus.billing.traffic import METER_RATE, RATE_KIND, RateOrder
from volutus.db import Tx
from volutus.errors import Conflict, Invalid, NoCapacity
from volutus.identity import Caller
from volutus.network import ports
from volutus.network.errors import PortNotFound
from volutus.network.ports import Port


class UplinkFull(NoCapacity):
    code = "billing.uplink_full"


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


def set_uplink(tx: Tx, caller: Caller, mbit: Decimal) -> None:
    """How much the region can promise in all."""
    if not tx.changed(_SET_UPLINK, {"mbit": mbit}):
        raise Conflict("Billing has not been opened in this cloud.")
    audit.record(tx, caller, "set_uplink", "billing.uplink", "region", {"mbit": str(mbit)})


def by_rate(tx: Tx, caller: Caller, order: RateOrder) -> None:
    """Promise a rate, or another one, to a port of the caller's. Raises UplinkFull where the promises would
    be more than the uplink, NotEnoughFunds, PortNotFound."""
    _check(order.mbit)
    port = _port(tx, caller, order.port_id)
    total = tx.value(_UPLINK)
    promised = tx.value(_PROMISED, {"meter": METER_RATE, "kind": RATE_KIND, "id": port.id})
    if total is None or promised + order.mbit > total:
        free = max(total - promised, Decimal(0)) if total is not None else Decimal(0)
        raise UplinkFull(f"{free:f} Mbit/s of the uplink can still be promised.")
    metering.change_usage(tx, metering.Usage(port.project_id, RATE_KIND, port.id, METER_RATE, order.mbit))
    traffic.shape(tx, port.id, order.mbit)
    admission.admit(tx, port.project_id, {})
    audit.record(tx, caller, "by_rate", "billing.port", port.id, {"mbit": str(order.mbit)})


def by_volume(tx: Tx, caller: Caller, port_id: str, cap_mbit: Decimal | None = None) -> None:
    """From now on all bytes are paid for; a cap bounds how many they can be."""
    if cap_mbit is not None:
        _check(cap_mbit)
    port = _port(tx, caller, port_id)
    metering.close_usage(tx, RATE_KIND, [port.id], METER_RATE)
    traffic.shape(tx, port.id, cap_mbit)
    detail = {} if cap_mbit is None else {"cap_mbit": str(cap_mbit)}
    audit.record(tx, caller, "by_volume", "billing.port", port.id, detail)


def _check(mbit: Decimal) -> None:
    if not mbit.is_finite() or mbit <= 0:
        raise Invalid("The rate is above zero.", field="mbit")


def _port(tx: Tx, caller: Caller, port_id: str) -> Port:
    """The owner of a network sees the ports of others on it, and pays for none of them."""
    port = ports.get(tx, caller, port_id)
    if not caller.sees(port.project_id):
        raise PortNotFound(f"Port {port_id} could not be found.")
    return port
