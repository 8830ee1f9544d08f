"""Random histories are charged as a naive model does, whatever happens to the process that rates.

`VOLUTUS_RANDOM_MONTHS=0-199` runs many; a failure prints its seed: `VOLUTUS_RANDOM_MONTHS=17` is that one."""

import os
import threading

import pytest

from tests.billing.month import Crash, Month, crash_at
from volutus.billing import rating

STEPS = 80


def seeds():
    first, _, last = os.environ.get("VOLUTUS_RANDOM_MONTHS", "0-2").partition("-")
    return list(range(int(first), int(last or first) + 1))


@pytest.mark.parametrize("seed", seeds())
def test_random_histories_are_charged_as_a_naive_model_does(shared_database, clock, seed):
    month = Month(shared_database, clock, seed, wild=seed % 3 == 2)
    for _ in range(STEPS):
        month.step()
        if month.random.random() < 0.15:
            month.rate()
    month.finish()
    month.check(f"seed {seed}")


def test_a_crash_at_any_statement_changes_nothing(shared_database, clock):
    """Each cycle is tried with a crash at its first, second … statement until it gets through."""
    month = Month(shared_database, clock, 101)
    for _ in range(12):
        month.step()
    clock.advance(400)
    with shared_database.begin() as tx:
        waiting = rating.due(tx)[:15]
    for cycle in waiting:
        for statement in range(100):
            try:
                with shared_database.begin() as tx:
                    crash_at(tx, statement)
                    rating.rate(tx, cycle)
                break
            except Crash:
                month.crashes += 1
    assert month.crashes > len(waiting) * 4
    month.finish()
    month.check("crashes")


def test_two_processes_and_days_late_give_one_ledger(shared_database, clock):
    """Two workers catch up at once on hours in which nobody rated."""
    month = Month(shared_database, clock, 7)
    for _ in range(40):
        month.step()
    clock.advance(8 * 3600)
    gone, failures = month.gone(), []

    def work():
        try:
            month.catch_up()
        except Exception as error:  # noqa: BLE001 told by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    month.forget(gone)
    month.check("late")
