"""How amounts of money and of meters are shown. They come as decimal strings; none becomes a
float before it is rounded for reading."""

from decimal import Decimal, InvalidOperation

from volutus.console.language import N_, _, lookup

_CENTS = Decimal("0.01")
_NAMES = {
    "cpu_mhz": N_("CPU"),
    "memory_mib": N_("Memory"),
    "storage_gib": N_("Disk"),
    "snapshot_gib": N_("Snapshots"),
    "backup_gib": N_("Backups"),
    "image_gib": N_("Images"),
    "address": N_("Public addresses"),
    "router": N_("Routers"),
    "load_balancer": N_("Load balancers"),
    "vpn": N_("VPN gateways"),
    "vlan": N_("Private networks"),
    "licence_core": N_("Licences by core"),
    "licence_instance": N_("Licences by server"),
    "bandwidth_mbit": N_("Committed bandwidth"),
    "traffic_out_bytes": N_("Outgoing traffic"),
}
# Classes that every cloud has; others are named by its operator.
_CLASSES = {"backfill": N_("yields its place")}
_UNITS = {"cpu_mhz": "MHz", "memory_mib": "MiB", "bandwidth_mbit": "Mbit/s", "traffic_out_bytes": "bytes"}
# Of what prices are for: `address·month` is one for a month. What is not here is written alike everywhere.
_UNIT_WORDS = {
    "month": N_("month"),
    "address": N_("address"),
    "router": N_("router"),
    "balancer": N_("balancer"),
    "gateway": N_("gateway"),
    "network": N_("network"),
    "core": N_("core"),
    "server": N_("server"),
}
_STANDINGS = {
    "good": N_("good"),
    "warned": N_("low, warned"),
    "stopped": N_("overdrawn, servers are stopped"),
    "deleted": N_("overdrawn, servers are deleted"),
}
_NOTICES = {
    "out_of_money_soon": N_("The balance will soon be used up"),
    "stop_servers": N_("The balance is used up: servers stop"),
    "drives_deleted": N_("The account stayed overdrawn: servers and volumes are deleted"),
    "servers_may_run": N_("The balance is covered: servers may run again"),
    "budget_reached": N_("A budget is reached"),
    "budget_stops_servers": N_("A budget is spent: servers stop"),
    "credit_expired": N_("A credit ended"),
    "invoice": N_("An invoice"),
    "payment": N_("A payment came in"),
    "payment_failed": N_("A payment failed"),
    "package_renewal_failed": N_("A prepaid server could not be renewed"),
    "subscription_renewal_failed": N_("A subscription could not be renewed"),
}
KINDS = {
    "usage": N_("Use"),
    "burst": N_("Use"),
    "subscription": N_("Subscription"),
    "package": N_("Prepaid server"),
    "payment": N_("Payment"),
    "credit": N_("Credit"),
    "refund": N_("Refund"),
    "correction": N_("Correction"),
}


def amount(text: str | None, currency: str = "") -> str:
    """Money to the cent; an amount smaller than one to its first digits."""
    if text is None:
        return ""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    shown = f"{value:,.2f}" if value == 0 or abs(value) >= _CENTS else f"{value.normalize():.6f}".rstrip("0")
    return f"{shown} {currency}".strip()


def plain(text: str | None) -> str:
    """A number without the zeros that say nothing."""
    if text is None:
        return ""
    shown = f"{Decimal(text):,f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def quantity(text: str | None, key: str) -> str:
    """What a meter measured, in its unit, as people read it."""
    if text is None:
        return ""
    value = Decimal(text)
    shown = f"{value:,.2f}" if value >= 1 else f"{value:.2g}" if value else "0"
    return f"{shown.rstrip('0').rstrip('.') if '.' in shown else shown} {meter_unit(key)}".strip()


def meter_name(key: str | None) -> str:
    """A meter with its class, in words."""
    name, _separator, kind = (key or "").partition(":")
    shown = lookup(_NAMES[name]) if name in _NAMES else name
    shown_kind = lookup(_CLASSES[kind]) if kind in _CLASSES else kind
    return f"{shown} ({shown_kind})" if kind else shown


def meter_unit(key: str) -> str:
    """A meter's own unit."""
    name = key.partition(":")[0]
    return _UNITS.get(name, "GiB" if name.endswith("_gib") else "")


def unit_name(unit: str) -> str:
    """What a price is for, in words."""
    return "·".join(lookup(_UNIT_WORDS[word]) if word in _UNIT_WORDS else word for word in unit.split("·"))


def standing_name(standing: str) -> str:
    """How an account stands, in words."""
    return lookup(_STANDINGS[standing]) if standing in _STANDINGS else standing


def kind_name(kind: str) -> str:
    """A kind of ledger line, in words."""
    return lookup(KINDS[kind]) if kind in KINDS else kind.replace("_", " ")


def notice_name(kind: str) -> str:
    """What was announced, in words."""
    return lookup(_NOTICES[kind]) if kind in _NOTICES else kind.replace("_", " ")


def mode_name(mode: str) -> str:
    """What an account is."""
    names = {"paying": _("paying"), "showback": _("shown only")}
    return names.get(mode, mode)
