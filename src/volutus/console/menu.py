"""The menu: all pages that a list of pages names, in groups, by what the user may see."""

from dataclasses import dataclass

from volutus.console.language import N_, lookup
from volutus.console.visits import Visit


@dataclass(frozen=True)
class Entry:
    """One page."""

    href: str
    label: str


@dataclass(frozen=True)
class Group:
    """`operator` groups are for administrators."""

    label: str
    entries: tuple[Entry, ...]
    operator: bool = False


@dataclass(frozen=True)
class Shown:
    """A group as this visit sees it: its label, and for each entry its address, label, and if it is here."""

    label: str
    entries: list[tuple[str, str, bool]]


_GROUPS = (
    Group("", (Entry("/", N_("Overview")),)),
    Group(
        N_("Compute"),
        (
            Entry("/servers", N_("Servers")),
            Entry("/images", N_("Images")),
            Entry("/key-pairs", N_("Key pairs")),
        ),
    ),
    Group(
        N_("Storage"),
        (
            Entry("/volumes", N_("Volumes")),
            Entry("/snapshots", N_("Snapshots")),
            Entry("/backups", N_("Backups")),
        ),
    ),
    Group(
        N_("Network"),
        (
            Entry("/topology", N_("Topology")),
            Entry("/networks", N_("Networks")),
            Entry("/routers", N_("Routers")),
            Entry("/floating-ips", N_("Floating IPs")),
            Entry("/load-balancers", N_("Load balancers")),
            Entry("/security-groups", N_("Security groups")),
        ),
    ),
    Group(
        N_("Billing"),
        (
            Entry("/costs", N_("Balance and use")),
            Entry("/ledger", N_("Ledger")),
            Entry("/subscriptions", N_("Subscriptions")),
            Entry("/invoices", N_("Invoices")),
            Entry("/budgets", N_("Budgets")),
            Entry("/prices", N_("Prices")),
        ),
    ),
    Group(
        N_("Access"),
        (
            Entry("/account", N_("Your account")),
            Entry("/application-credentials", N_("Application credentials")),
        ),
    ),
    Group(
        N_("Administration"),
        (
            Entry("/admin/projects", N_("Projects")),
            Entry("/admin/users", N_("Users")),
            Entry("/admin/hosts", N_("Hosts and capacity")),
            Entry("/admin/placement", N_("Placement")),
            Entry("/admin/work", N_("Stuck work")),
            Entry("/admin/audit", N_("Audit")),
            Entry("/admin/accounts", N_("Accounts")),
            Entry("/admin/price-lists", N_("Price lists")),
        ),
        operator=True,
    ),
)


def shown_menu(visit: Visit) -> list[Shown]:
    """The groups for this visit; none before a project is chosen."""
    if not visit.session.project:
        return []
    here = visit.path
    return [
        Shown(
            lookup(group.label) if group.label else "",
            [(entry.href, lookup(entry.label), _is_at(here, entry.href)) for entry in group.entries],
        )
        for group in _GROUPS
        if visit.session.admin or not group.operator
    ]


def place_of(visit: Visit) -> str:
    """The menu's page that a visit is at or below: where one looks at the same in another region."""
    hrefs = [entry.href for group in _GROUPS for entry in group.entries]
    return next((href for href in hrefs if _is_at(visit.path, href)), "/")


def _is_at(here: str, href: str) -> bool:
    return here == href or (href != "/" and here.startswith(f"{href}/"))
