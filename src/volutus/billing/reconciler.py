"""Billing's long work: rates each cycle once it is settled, catching up one by one after any time away;
decides the next burst levels; renews what ends; warns and stops who does not pay."""

from collections.abc import Callable, Mapping, Sequence

from volutus.billing import (
    accounts,
    budgets,
    burst,
    checkouts,
    invoices,
    outages,
    packages,
    payments,
    rating,
    standing,
    subscriptions,
)
from volutus.billing.cycles import CYCLE_S, SETTLE_S, cycle_of, end_of
from volutus.billing.outages import LostServer
from volutus.billing.standing import Enforcement
from volutus.db import Database, Tx
from volutus.identity.caller import CLOUD
from volutus.reconcile import Again, Item, Outcome

KIND = "billing_cycle"
# There is one chain of cycles, so there is one object.
KEY = standing.KEY
# A step must end within its lease; the next one goes on at once.
CYCLES_PER_STEP = 20


_CHORES = (
    subscriptions.renew_due,
    packages.renew_due,
    payments.expire_due,
    checkouts.top_up_due,
    invoices.issue_due,
)


class CycleReconciler:
    """One transaction a cycle. `settle` is called in it before anything is charged, to end usage that nobody
    has heard of since before the cycle ended. No cycle is rated sooner than a host counts as silent, so that
    no cycle charges what a silent host had."""

    kind = KIND
    batch = 1

    def __init__(self, database: Database, settle: Callable[[Tx], None] | None = None) -> None:
        self._database = database
        self._settle = settle

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """Rate what is due."""
        with self._database.read() as tx:
            waiting = rating.due(tx)
            now = tx.now
        for cycle in waiting[:CYCLES_PER_STEP]:
            with self._database.begin() as tx:
                if self._settle is not None:
                    self._settle(tx)
                rating.rate(tx, cycle)
        if len(waiting) > CYCLES_PER_STEP:
            outcome = Again(0, f"{len(waiting) - CYCLES_PER_STEP} cycles are waiting")
        else:
            ready_in = (end_of(cycle_of(now)) - now).total_seconds() + SETTLE_S
            # While a cycle settles the one before it is done: then the next is ready sooner.
            outcome = Again(ready_in % CYCLE_S or CYCLE_S, "the present cycle is not over")
        return {item.key: outcome for item in items}

    def scan(self, tx: Tx) -> Sequence[str]:
        """The one object, when something is due."""
        return [KEY] if rating.due(tx) else []


class UpkeepReconciler:
    """What is looked at once a cycle, at its beginning: each part in a transaction of its own, so that one
    that fails does not hold up the others' work of the cycle."""

    kind = standing.KIND
    batch = 1

    def __init__(
        self,
        database: Database,
        enforcement: Enforcement | None = None,
        unreachable: Callable[[Tx], Sequence[LostServer]] | None = None,
    ) -> None:
        self._database = database
        self._enforcement = enforcement
        self._unreachable = unreachable

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """One round."""
        with self._database.begin() as tx:
            burst.decide(tx, burst.measured(tx))
            now = tx.now
        for act in _CHORES:
            with self._database.begin() as tx:
                act(tx, CLOUD)
        for review in (standing.review, budgets.review):
            with self._database.begin() as tx:
                review(tx, self._enforcement)
        if self._unreachable is not None:
            with self._database.begin() as tx:
                outages.tell(tx, self._unreachable(tx))
        ready_in = (end_of(cycle_of(now)) - now).total_seconds()
        return {item.key: Again(ready_in, "the present cycle is not over") for item in items}

    def scan(self, tx: Tx) -> Sequence[str]:
        """The one object, where nothing was decided for the next cycle yet."""
        if accounts.region(tx) is None or burst.is_decided(tx):
            return []
        return [KEY]
