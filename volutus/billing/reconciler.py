"""Rates each cycle once it is settled, and catches up one by one after any time away."""

from collections.abc import Mapping, Sequence

from volutus.billing import rating
from volutus.billing.cycles import CYCLE_S, SETTLE_S, cycle_of, end_of
from volutus.db import Database, Tx
from volutus.reconcile import Again, Item, Outcome

KIND = "billing_cycle"
# There is one chain of cycles, so there is one object.
KEY = "region"
# A step must end within its lease; the next one goes on at once.
CYCLES_PER_STEP = 20


class CycleReconciler:
    """One transaction a cycle."""

    kind = KIND
    batch = 1

    def __init__(self, database: Database) -> None:
        self._database = database

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """Rate what is due."""
        with self._database.read() as tx:
            waiting = rating.due(tx)
            now = tx.now
        for cycle in waiting[:CYCLES_PER_STEP]:
            with self._database.begin() as tx:
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
