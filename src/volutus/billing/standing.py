"""How accounts stand: warned while there is still time, stopped when funds are gone, deleted after a grace
time.

Each step is announced, and each but the last is undone by paying: what we stopped we start again. What
stopping means for servers is not known here: whoever builds the cloud passes in the functions that do it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from volutus import audit
from volutus.billing import accounts, notices, traffic
from volutus.billing.accounts import Region
from volutus.billing.cycles import CYCLES_PER_DAY, cycle_of
from volutus.db import Tx
from volutus.identity.caller import CLOUD
from volutus.reconcile import wake

# Accounts are looked at once a cycle, and when one is paid.
KIND, KEY = "billing_upkeep", "region"
GOOD, WARNED, STOPPED, DELETED = "good", "warned", "stopped", "deleted"
CHANGES_MAX = 1000

# Accounts whose stop or deletion is seen to in one round; the next round takes the others.
ENFORCED_MAX = 200


@dataclass(frozen=True)
class Enforcement:
    """How the cloud carries it out. Each may be asked again: `stop` turns off what runs of these projects and
    says which servers that were, `start` turns these servers on where they are still off, `remove` orders the
    end of all that costs and says whether nothing is left."""

    stop: Callable[[Tx, Sequence[str]], list[str]]
    start: Callable[[Tx, Sequence[str]], None]
    remove: Callable[[Tx, Sequence[str]], bool]


@dataclass(frozen=True)
class Standing:
    """The state of an account, since when, and what it has left to spend."""

    state: str
    since: datetime | None
    why: str = ""


# The pace is what the last day's cycles cost; money is in the last entry of the payer's chain.
_CHANGES = text(
    """
    WITH pace AS (
        SELECT account_id, sum(amount) AS a_day FROM billing_transfer
        WHERE cycle > :since AND kind = 'usage' GROUP BY account_id
    ), now AS (
        SELECT a.id, coalesce(h.after, 0) + a.credit_limit AS funds, coalesce(p.a_day, 0) AS a_day,
            coalesce(s.state, 'good') AS state, s.since
        FROM billing_account a
        LEFT JOIN billing_ledger_account l ON (l.kind, l.owner, l.currency) = ('payer', a.id, a.currency)
        LEFT JOIN LATERAL (SELECT after FROM billing_entry e WHERE e.account_id = l.id
                           ORDER BY number DESC LIMIT 1) h ON true
        LEFT JOIN pace p ON p.account_id = a.id
        LEFT JOIN billing_standing s ON s.account_id = a.id
        WHERE a.mode = 'paying'
    ), wanted AS (
        SELECT *, CASE
            WHEN state = 'deleted' AND funds < 0 THEN 'deleted'
            -- What stopped costs next to nothing: whoever owes nothing any more is free again.
            WHEN funds >= 0 AND (funds >= a_day * :warn_days OR state IN ('stopped', 'deleted')) THEN 'good'
            WHEN state = 'stopped' AND funds < 0 AND since <= :delete_before THEN 'deleted'
            WHEN state = 'stopped' AND funds < 0 THEN 'stopped'
            WHEN state = 'warned' AND funds < 0 AND since <= :stop_before THEN 'stopped'
            ELSE 'warned' END AS next
        FROM now
    )
    SELECT id, funds, a_day, state, next FROM wanted WHERE next <> state ORDER BY id LIMIT :limit
    """
)
_SET = text(
    """
    INSERT INTO billing_standing (account_id, state, since, why) VALUES (:account_id, :state, :now, :why)
    ON CONFLICT (account_id) DO UPDATE SET state = excluded.state, since = excluded.since, why = excluded.why,
        cleared_at = NULL
    """
)
_GET = text("SELECT state, since, why FROM billing_standing WHERE account_id = :account_id LIMIT 1")
# Those that were looked at longest ago first: a step is asked for until nothing is left to do.
_ENFORCED = text(
    """
    SELECT s.account_id, s.state FROM billing_standing s JOIN billing_account a ON a.id = s.account_id
    WHERE s.state IN ('stopped', 'deleted') AND s.cleared_at IS NULL AND a.mode = 'paying'
    ORDER BY s.since DESC, s.account_id LIMIT :limit
    """
)
_CLEARED = text("UPDATE billing_standing SET cleared_at = :now WHERE account_id = :account_id")
_HALT = text(
    """
    INSERT INTO billing_halted (server_id, account_id, halted_at)
    SELECT id, :account_id, :now FROM unnest(CAST(:ids AS text[])) AS u(id) ON CONFLICT DO NOTHING
    """
)
_RELEASE = text("DELETE FROM billing_halted WHERE account_id = :account_id RETURNING server_id")
_KINDS = {
    WARNED: "out_of_money_soon",
    STOPPED: "stop_servers",
    DELETED: "drives_deleted",
    GOOD: "servers_may_run",
}


def get(tx: Tx, account_id: str) -> Standing:
    """How an account stands."""
    row = tx.row(_GET, {"account_id": account_id})
    return Standing(GOOD, None) if row is None else Standing(row.state, row.since, row.why)


def may_run(tx: Tx, project_id: str) -> bool:
    """Whether servers of this project may be on."""
    return get(tx, accounts.payer_of(tx, project_id)).state not in (STOPPED, DELETED)


def look_again(tx: Tx) -> None:
    """Have accounts reviewed now: whoever paid need not wait for the next cycle."""
    wake(tx, KIND, KEY)


def review(tx: Tx, enforcement: Enforcement | None = None) -> list[tuple[str, str]]:
    """Move accounts to the state their funds ask for, and see that it is so; which went where."""
    home = accounts.needed_region(tx)
    keys = {
        "since": cycle_of(tx.now) - CYCLES_PER_DAY - 1,
        "warn_days": Decimal(home.warn_days),
        "stop_before": tx.now - timedelta(seconds=home.stop_after_s),
        "delete_before": tx.now - timedelta(seconds=home.delete_after_s),
        "limit": CHANGES_MAX,
    }
    moved = []
    for row in tx.rows(_CHANGES, keys):
        _move(tx, row, home, enforcement)
        moved.append((row.id, row.next))
    if enforcement is not None:
        for row in tx.rows(_ENFORCED, {"limit": ENFORCED_MAX}):
            _carry_out(tx, row.account_id, row.state, enforcement)
    return moved


def _halt(tx: Tx, account_id: str, projects: Sequence[str], enforcement: Enforcement) -> None:
    """Turn off what runs of an account's projects, and remember it."""
    if stopped := enforcement.stop(tx, projects):
        tx.execute(_HALT, {"account_id": account_id, "ids": stopped, "now": tx.now})


def _move(tx: Tx, row: Any, home: Region, enforcement: Enforcement | None) -> None:
    why = f"funds of {row.funds:f}, {row.a_day:f} used a day"
    tx.execute(_SET, {"account_id": row.id, "state": row.next, "now": tx.now, "why": why})
    detail = {"funds": f"{row.funds:f}", "a_day": f"{row.a_day:f}", "from": row.state}
    purpose = f"standing/{row.id}/{row.next}/{tx.now.isoformat()}"
    terms = {"stop_after_s": str(home.stop_after_s), "delete_after_s": str(home.delete_after_s)}
    notices.tell(tx, row.id, _KINDS[row.next], purpose, detail | terms)
    audit.record(tx, CLOUD, row.next, "billing.account", row.id, detail)
    if enforcement is not None and row.next == GOOD and row.state == STOPPED:
        halted = tx.rows(_RELEASE, {"account_id": row.id})
        enforcement.start(tx, [one.server_id for one in halted])


def _carry_out(tx: Tx, account_id: str, state: str, enforcement: Enforcement) -> None:
    projects = accounts.projects(tx, account_id) or [account_id]
    if state == STOPPED:
        _halt(tx, account_id, projects, enforcement)
        return
    traffic.end_rates(tx, projects)
    if enforcement.remove(tx, projects):
        tx.execute(_RELEASE, {"account_id": account_id})
        tx.execute(_CLEARED, {"account_id": account_id, "now": tx.now})
