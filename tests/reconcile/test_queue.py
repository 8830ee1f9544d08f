"""The reconcile queue: nothing woken is ever lost, nobody works under a lease that ended."""

import threading

import pytest
from sqlalchemy import text

from volutus.errors import Unavailable
from volutus.reconcile import Again, Done, Worker, each_alone, finish, renew, stuck, take, wake, wake_many
from volutus.reconcile import worker as workers


def taken(database, kind="thing", count=10):
    with database.begin() as tx:
        return take(tx, {kind: count}, lease_s=60)


def finished(database, item, outcome):
    with database.begin() as tx:
        return finish(tx, item, outcome)


def woken(database, *keys, kind="thing"):
    with database.begin() as tx:
        wake_many(tx, kind, keys)


def test_a_wake_is_taken_once_and_done(database):
    woken(database, "a", "b", "a")
    items = taken(database)
    assert sorted(item.key for item in items) == ["a", "b"]
    assert taken(database) == []
    assert all(finished(database, item, Done()) for item in items)
    assert taken(database) == []


def test_a_wake_during_the_step_makes_the_row_due_at_once(database):
    woken(database, "a")
    (item,) = taken(database)
    woken(database, "a")
    assert finished(database, item, Done())
    assert [again.key for again in taken(database)] == ["a"]


def test_a_wake_that_was_rolled_back_never_was(database):
    with pytest.raises(RuntimeError), database.begin() as tx:
        wake(tx, "thing", "a")
        raise RuntimeError
    assert taken(database) == []


def test_a_lost_lease_cannot_finish_even_a_row_made_anew(database, clock):
    woken(database, "a")
    (slow,) = taken(database)
    clock.advance(61)
    (fast,) = taken(database)
    assert finished(database, fast, Done())
    woken(database, "a")
    (third,) = taken(database)
    assert not finished(database, slow, Done())
    assert finished(database, third, Done())


def test_a_renewed_lease_holds_and_a_lost_one_stays_lost(database, clock):
    woken(database, "a", "b")
    kept, lost = sorted(taken(database), key=lambda item: item.key)
    clock.advance(50)
    with database.begin() as tx:
        renew(tx, [kept.lease_no], 60)
    clock.advance(50)
    (other,) = taken(database)
    assert other.key == "b"
    with database.begin() as tx:
        renew(tx, [lost.lease_no], 600)
    clock.advance(61)
    assert sorted(item.key for item in taken(database)) == ["a", "b"]


def test_waiting_counts_time_attempts_and_the_deadline(database, clock):
    woken(database, "a")
    (item,) = taken(database)
    finished(database, item, Again(10, "the disk", deadline_s=15, failed=True))
    assert taken(database) == []
    clock.advance(10)
    (item,) = taken(database)
    assert (item.attempts, item.expired) == (2, False)
    finished(database, item, Again(10, "the disk", deadline_s=15, failed=True))
    clock.advance(10)
    with database.begin() as tx:
        (row,) = stuck(tx)
        assert row.why == "the disk"
    (item,) = taken(database)
    assert item.expired


class Counting:
    """Copies a counter that others raise while it works: it must end up with the last value."""

    kind = "count"
    batch = 3

    def __init__(self, database):
        self.database = database

    def step(self, items):
        outcomes = {}
        for item in items:
            with self.database.begin() as tx:
                wanted = tx.value(text("SELECT wanted FROM counted WHERE key = :key"), {"key": item.key})
            with self.database.begin() as tx:
                tx.execute(
                    text("UPDATE counted SET done = :wanted WHERE key = :key"),
                    {"key": item.key, "wanted": wanted},
                )
            outcomes[item.key] = Done()
        return outcomes

    def scan(self, tx):
        return []


def race(database, clock):
    """Six workers against sixty changes of each of four counters; the counters left behind."""
    keys = ["a", "b", "c", "d"]
    with database.begin() as tx:
        tx.execute(
            text("CREATE TABLE counted (key text PRIMARY KEY, wanted int DEFAULT 0, done int DEFAULT 0)")
        )
        tx.execute(text("INSERT INTO counted (key) SELECT unnest(CAST(:keys AS text[]))"), {"keys": keys})
    worker = Worker(database, [Counting(database)])
    changing = threading.Event()

    def change():
        for _ in range(60):
            for key in keys:
                with database.begin() as tx:
                    tx.execute(text("UPDATE counted SET wanted = wanted + 1 WHERE key = :key"), {"key": key})
                    wake(tx, "count", key)
        changing.set()

    def work():
        while not changing.is_set() or worker.run_once():
            worker.run_once()

    threads = [threading.Thread(target=change), *(threading.Thread(target=work) for _ in range(6))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    worker.drain()
    with database.begin() as tx:
        return [row.key for row in tx.rows(text("SELECT key FROM counted WHERE wanted <> done LIMIT 10"))]


def test_no_change_is_lost_between_six_workers(shared_database, clock):
    assert race(shared_database, clock) == []


def test_a_wake_is_lost_when_the_counter_is_taken_out(shared_database, clock):
    """The counter earns its place: without it the row of a change made during a step is deleted."""
    with shared_database.begin() as tx:
        tx.execute(
            text(
                """
                CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN NEW.wakes := OLD.wakes; RETURN NEW; END $$;
                CREATE TRIGGER forget BEFORE UPDATE ON work FOR EACH ROW EXECUTE FUNCTION forget();
                """
            )
        )
    with shared_database.begin() as tx:
        wake(tx, "thing", "a")
    (item,) = taken(shared_database)
    woken(shared_database, "a")
    finished(shared_database, item, Done())
    assert taken(shared_database) == []


def test_a_bug_in_a_step_leaves_the_row_with_its_reason(database, clock):
    class Broken(Counting):
        def step(self, items):
            raise KeyError("bug")

    woken(database, "a", kind="count")
    worker = Worker(database, [Broken(database)])
    assert worker.run_once() == 1
    assert worker.run_once() == 0
    clock.advance(1)
    assert worker.run_once() == 1
    with database.begin() as tx:
        (row,) = stuck(tx, attempts=2)
        assert row.why == "KeyError in the last step"


def test_what_one_object_fails_of_does_not_hold_up_the_others(database, clock):
    class Picky(Counting):
        batch = 3

        def step(self, items):
            return each_alone(self.database, items, self.one)

        def one(self, tx, item):
            if item.key == "b":
                raise KeyError("bug")
            return Done()

    for key in ("a", "b", "c"):
        woken(database, key, kind="count")
    assert Worker(database, [Picky(database)]).run_once() == 3
    with database.begin() as tx:
        assert [row.key for row in tx.rows(text("SELECT key FROM work"))] == ["b"]


def test_a_row_is_given_back_although_the_database_was_away(database, clock, monkeypatch):
    """Else it would wait for its lease to end."""
    monkeypatch.setattr(workers, "FINISH_AGAIN_S", 0.01)
    failures = [Unavailable("away"), Unavailable("away")]

    def finish_at_last(tx, item, outcome):
        if failures:
            raise failures.pop()
        return finish(tx, item, outcome)

    class Settled(Counting):
        def step(self, items):
            return {item.key: Done() for item in items}

    monkeypatch.setattr(workers, "finish", finish_at_last)
    woken(database, "a", kind="count")
    assert Worker(database, [Settled(database)]).run_once() == 1
    with database.begin() as tx:
        assert tx.value(text("SELECT count(*) FROM work")) == 0
