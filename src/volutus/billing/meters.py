"""What can have a price: each meter, the unit it is priced in, and how many of its own units that is.

A meter's own unit is what `usage_ranges` count (MHz, MiB, GiB …), held for seconds; a counted meter has
quantities instead (bytes). One GB is 2^30 bytes throughout, one month 30 days of 86,400 seconds. A meter may
have classes (`storage_gib:nvme`), each with a price of its own or else its meter's.
"""

from dataclasses import dataclass
from decimal import Decimal

from volutus.errors import Invalid

HOUR_S = 3600
MONTH_S = 30 * 24 * HOUR_S
GIB = 2**30
CLASS_SEPARATOR = ":"


@dataclass(frozen=True)
class Meter:
    """`scale` own units are one of the price's (1,000 MHz are a GHz), for `span_s` seconds; a counted meter
    has no span. `shown` is what a tenant reads: 12 *GHz* of *CPU*."""

    name: str
    label: str
    shown: str
    unit: str
    scale: int
    span_s: int | None

    @property
    def per(self) -> Decimal:
        """What a quantity in own units times seconds is divided by before it is multiplied by a price."""
        return Decimal(self.scale) * Decimal(self.span_s or 1)

    @property
    def is_counted(self) -> bool:
        """Whether it has quantities instead of amounts held for a time."""
        return self.span_s is None


_ALL = (
    Meter("cpu_mhz", "CPU", "GHz", "GHz·h", 1000, HOUR_S),
    Meter("memory_mib", "memory", "GB", "GB·h", 1024, HOUR_S),
    Meter("storage_gib", "storage", "GB", "GB·month", 1, MONTH_S),
    Meter("snapshot_gib", "snapshots", "GB", "GB·month", 1, MONTH_S),
    Meter("backup_gib", "backups", "GB", "GB·month", 1, MONTH_S),
    Meter("image_gib", "images", "GB", "GB·month", 1, MONTH_S),
    Meter("address", "public addresses", "addresses", "address·month", 1, MONTH_S),
    Meter("router", "routers", "routers", "router·month", 1, MONTH_S),
    Meter("load_balancer", "load balancers", "balancers", "balancer·month", 1, MONTH_S),
    Meter("vpn", "VPN gateways", "gateways", "gateway·month", 1, MONTH_S),
    Meter("vlan", "private networks", "networks", "network·month", 1, MONTH_S),
    Meter("licence_core", "licences by core", "cores", "core·month", 1, MONTH_S),
    Meter("licence_instance", "licences by server", "servers", "server·month", 1, MONTH_S),
    Meter("bandwidth_mbit", "committed bandwidth", "Mbit/s", "Mbit/s·month", 1, MONTH_S),
    Meter("traffic_out_bytes", "outgoing traffic", "GB", "GB", GIB, None),
)
METERS = {meter.name: meter for meter in _ALL}


def meter_of(key: str) -> Meter:
    """The meter of a key with or without a class. Raises Invalid for one nobody measures."""
    name, _, _ = key.partition(CLASS_SEPARATOR)
    try:
        return METERS[name]
    except KeyError:
        raise Invalid(f"There is no meter {name!r}.", field="meter") from None


def base_of(key: str) -> str:
    """The meter's name without a class."""
    return key.partition(CLASS_SEPARATOR)[0]


def ordered(key: str, amount: Decimal) -> str:
    """An amount as a payer reads it: `1 GHz (cpu_mhz)`."""
    meter = meter_of(key)
    return f"{(amount / meter.scale).normalize():f} {meter.shown} ({key})"
