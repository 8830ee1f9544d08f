"""Outgoing traffic: paid by volume, or by a committed rate; `uplink` is where rates are promised.

A rate is promised to a port, which is what bytes are counted of. While it holds (usage of `bandwidth_mbit`),
the bytes that it can carry in a cycle are paid for by it, and the port sends no faster; what goes out above
that in a burst, and all bytes of ports without a rate, are paid for by volume. A port that pays by volume may
have a cap, which bounds the cost. Changing is opening or closing that usage, so the next bill's lines change
with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text

from volutus import metering
from volutus.billing import money
from volutus.billing.meters import GIB, MONTH_S
from volutus.db import Tx
from volutus.network import port_rates

BY_RATE, BY_VOLUME = "rate", "volume"
METER_RATE = "bandwidth_mbit"
METER_VOLUME = "traffic_out_bytes"
BITS_PER_MBIT = 1_000_000
_KBIT_PER_MBIT = 1000
RATE_KIND = "port"
# A project has no more ports than this by far.
RATES_MAX = 10_000


@dataclass(frozen=True)
class PortTraffic:
    """How a port's traffic is paid, and how fast it sends at most."""

    port_id: str
    method: str
    mbit: Decimal


@dataclass(frozen=True)
class Uplink:
    """What the region can promise in all, and what of it is promised."""

    mbit: Decimal
    promised: Decimal


@dataclass(frozen=True)
class RateOrder:
    """So many Mbit/s, promised to one port."""

    port_id: str
    mbit: Decimal


_UPLINK = text(
    """
    SELECT coalesce((SELECT mbit FROM billing_uplink LIMIT 1), 0) AS mbit,
        coalesce(sum(amount), 0) AS promised FROM usage_ranges WHERE meter = :meter AND upper_inf(during)
    LIMIT 1
    """
)
_RATES = text(
    """
    SELECT resource_id AS port_id, amount AS mbit FROM usage_ranges
    WHERE meter = :meter AND resource_kind = :kind AND upper_inf(during)
        AND project_id = ANY(CAST(:projects AS text[])) ORDER BY resource_id LIMIT :limit
    """
)


def uplink(tx: Tx) -> Uplink:
    """As it stands now; of nothing where nobody said how much there is."""
    row = tx.execute(_UPLINK, {"meter": METER_RATE}).one()
    return Uplink(row.mbit, row.promised)


def rates(tx: Tx, project_ids: Sequence[str]) -> list[RateOrder]:
    """The rates that are promised to ports of these projects."""
    keys = {"meter": METER_RATE, "kind": RATE_KIND, "projects": list(project_ids), "limit": RATES_MAX}
    return [RateOrder(**row._mapping) for row in tx.rows(_RATES, keys)]


def end_rates(tx: Tx, project_ids: Sequence[str]) -> None:
    """Promise these projects nothing any more."""
    promised = [rate.port_id for rate in rates(tx, project_ids)]
    metering.close_usage(tx, RATE_KIND, promised, METER_RATE)
    port_rates.limit(tx, promised, None)


def shape(tx: Tx, port_id: str, mbit: Decimal | None) -> None:
    """Have a port send no faster; None is as fast as it can."""
    port_rates.limit(tx, [port_id], None if mbit is None else int(mbit * _KBIT_PER_MBIT))


def of_projects(tx: Tx, project_ids: Sequence[str]) -> list[PortTraffic]:
    """The ports of these projects that have a committed rate or a cap; all others pay for their bytes, and
    send as fast as they can."""
    committed = {rate.port_id: rate.mbit for rate in rates(tx, project_ids)}
    limited = {
        port_id: Decimal(kbps) / _KBIT_PER_MBIT
        for port_id, kbps in port_rates.of_projects(tx, project_ids).items()
    }
    return [
        PortTraffic(port_id, BY_RATE if port_id in committed else BY_VOLUME, mbit)
        for port_id, mbit in sorted((limited | committed).items())
    ]


def most_bytes(cap_mbit: Decimal, seconds: int = MONTH_S) -> Decimal:
    """What can go out at most in a time under a cap."""
    return cap_mbit * BITS_PER_MBIT * seconds / 8


def most_cost(cap_mbit: Decimal, price: Decimal) -> Decimal:
    """What a month of traffic can cost at most under a cap, at a price by the GB."""
    return money.charge(most_bytes(cap_mbit), price, Decimal(GIB))
