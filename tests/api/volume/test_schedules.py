"""Schedules through the API: exact on the clock, once for each moment, and never beyond what they made."""

import datetime
import threading

import pytest
from sqlalchemy import text

from tests.api.volume.test_backups import Target
from tests.conftest import make_caller
from volutus import placement, volume
from volutus.reconcile import Worker

HOUR = 3600.0


class Schedules:
    """A volume, and the work of the cloud as time goes by."""

    def __init__(self, cinder, database, agent, clock, settle, volume_id):
        self.cinder, self.database, self.agent, self.clock = cinder, database, agent, clock
        self.settle, self.volume_id = settle, volume_id
        self.target = Target(database, agent)
        self.worker = Worker(database, [volume.ScheduleReconciler(database)])

    def make(self, expect=201, **fields):
        fields = {"volume_id": self.volume_id, "action": "snapshot", "every_hours": 1, "keep": 2, **fields}
        body = self.cinder.call("POST", "/schedules", {"schedule": fields}, expect)
        return body["schedule"]["id"] if expect == 201 else body

    def show(self, schedule_id):
        return self.cinder.get(f"/schedules/{schedule_id}")["schedule"]

    def set(self, schedule_id, expect=200, **fields):
        return self.cinder.call("PUT", f"/schedules/{schedule_id}", {"schedule": fields}, expect)

    def work(self):
        """Until nothing is to be done at this moment: what waits is looked at again."""
        for _ in range(6):
            with self.database.begin() as tx:
                placement.hosts.seen(tx, self.agent.host_id)
                tx.execute(text("UPDATE work SET due_at = :now"), {"now": tx.now})
            self.worker.run_once()
            self.settle()
            self.target.run()

    def pass_(self, hours):
        """Hour by hour."""
        for _ in range(hours):
            self.clock.advance(HOUR)
            self.work()

    def names(self, noun="snapshots"):
        return sorted(one["name"] or "" for one in self.cinder.get(f"/{noun}/detail")[noun])


@pytest.fixture
def schedules(cinder, database, agent, clock, settle, made):
    return Schedules(cinder, database, agent, clock, settle, made())


def hour(clock, back=0):
    return f"{clock.now() - datetime.timedelta(hours=back):%Y-%m-%d %H:%M}"


def test_snapshots_come_by_the_hour_and_the_newest_stay(schedules, cinder, clock):
    by_hand = cinder.call("POST", "/snapshots", {"snapshot": {"volume_id": schedules.volume_id}}, 202)
    schedules.settle()
    schedule_id = schedules.make(name="nightly")
    schedules.work()
    assert schedules.show(schedule_id)["runs"][0]["due_at"] == f"{clock.now():%Y-%m-%dT%H:%M:%S.%f}"
    schedules.pass_(3)
    own = [f"nightly {hour(clock, 1)}", f"nightly {hour(clock)}"]
    assert [name for name in schedules.names() if name] == own
    assert cinder.get(f"/snapshots/{by_hand['snapshot']['id']}")["snapshot"]["status"] == "available"
    runs = schedules.show(schedule_id)["runs"]
    assert len(runs) == 4 and [bool(run["removed_at"]) for run in runs] == [False, False, True, True]
    # Away for a night and a bit: one run makes up for all, and the next is on time again.
    clock.advance(9.5 * HOUR)
    schedules.work()
    shown = schedules.show(schedule_id)
    assert len(shown["runs"]) == 5
    last = datetime.datetime.fromisoformat(shown["runs"][0]["due_at"] + "+00:00")
    assert clock.now() - last == datetime.timedelta(minutes=30)
    following = datetime.datetime.fromisoformat(shown["next_at"] + "+00:00")
    assert following - clock.now() == datetime.timedelta(minutes=30)
    # What it made outlives it.
    cinder.call("DELETE", f"/schedules/{schedule_id}", None, 204)
    schedules.work()
    assert len(schedules.names()) == 3


def test_backups_by_changes_stay_as_long_as_others_need_them(schedules, cinder):
    schedule_id = schedules.make(action="backup", keep=2, incrementals=2)
    schedules.work()
    kinds = []
    for _ in range(7):
        found = cinder.get("/backups/detail")["backups"]
        kinds.append([one["is_incremental"] for one in reversed(found)])
        schedules.pass_(1)
    full, more = False, True
    assert kinds[:4] == [[full], [full, more], [full, more, more], [full, more, more, full]]
    # Two are kept; the full one before them goes with the last that needs it.
    assert kinds[4] == [full, more]
    assert [run["incremental"] for run in schedules.show(schedule_id)["runs"]][:4] == [more, full, more, more]


def test_what_cannot_be_made_is_told_and_harms_nothing(schedules, cinder, operator, clock):
    schedule_id = schedules.make(keep=1)
    schedules.work()
    (kept,) = schedules.names()
    project = cinder.http.caller.project_id
    operator.call("PUT", f"/os-quota-sets/{project}", {"quota_set": {"snapshots": 1}}, 200)
    schedules.pass_(1)
    assert schedules.names() == [kept]
    run = schedules.show(schedule_id)["runs"][0]
    assert run["made_id"] is None and "snapshots" in run["fault"]
    told = cinder.get("/messages")["messages"][0]
    assert told["resource_uuid"] == schedules.volume_id and "snapshots" in told["user_message"]
    operator.call("PUT", f"/os-quota-sets/{project}", {"quota_set": {"snapshots": 9}}, 200)
    # A volume that is busy is waited for.
    operator.act(schedules.volume_id, "os-reset_status", {"status": "maintenance"})
    schedules.pass_(1)
    assert len(schedules.show(schedule_id)["runs"]) == 2
    operator.act(schedules.volume_id, "os-reset_status", {"status": "available"})
    clock.advance(600)
    schedules.work()
    assert schedules.show(schedule_id)["runs"][0]["fault"] is None
    assert schedules.names() == [f"schedule {hour(clock)[:-2]}{int(clock.now().minute) - 10:02}"]


def test_two_workers_do_it_once(schedules, database):
    made = [schedules.make(keep=5) for _ in range(4)]
    steppers = [Worker(database, [volume.ScheduleReconciler(database)]) for _ in range(2)]
    reconciler = volume.ScheduleReconciler(database)

    def step(worker):
        worker.scan()
        worker.run_once()
        reconciler.step([type("Key", (), {"key": key}) for key in made])

    threads = [threading.Thread(target=step, args=(one,)) for one in steppers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(schedules.names()) == 4
    assert [len(schedules.show(one)["runs"]) for one in made] == [1, 1, 1, 1]


def test_a_change_takes_effect_from_now_on(schedules, cinder, clock):
    at = clock.now() + datetime.timedelta(hours=5)
    schedule_id = schedules.make(starts_at=at.isoformat(), every_hours=24)
    schedules.pass_(4)
    assert schedules.names() == []
    changed = schedules.set(schedule_id, enabled=False)["schedule"]
    assert changed["next_at"] is None
    schedules.pass_(2)
    schedules.set(schedule_id, enabled=True)
    schedules.pass_(22)
    assert schedules.names() == []
    schedules.pass_(1)
    assert schedules.names() == [f"schedule {hour(clock)}"]
    schedules.set(schedule_id, 400, incrementals=1)
    listed = cinder.get(f"/schedules?volume_id={schedules.volume_id}")["schedules"]
    assert [one["id"] for one in listed] == [schedule_id] and "runs" not in listed[0]
    assert cinder.get("/schedules?volume_id=another")["schedules"] == []


REFUSED = [
    {"action": "clone"},
    {"every_hours": 0},
    {"every_hours": 10_000},
    {"keep": 0},
    {"incrementals": 1},
    {"incrementals": -1, "action": "backup"},
    {"starts_at": "2099-01-01T00:00:00Z"},
    {"starts_at": "2026-01-01T00:00:00"},
    {"surprise": 1},
]


@pytest.mark.parametrize("fields", REFUSED)
def test_what_is_no_schedule(schedules, fields):
    assert next(iter(fields)) in str(schedules.make(400, **fields))


def test_there_are_not_too_many_and_none_goes_with_a_volume_to_others(schedules, cinder):
    for _ in range(8):
        schedules.make(every_hours=24, starts_at="2027-01-01T00:00:00Z")
    schedules.make(409)
    body = {"transfer": {"volume_id": schedules.volume_id}}
    offer = cinder.call("POST", "/volume-transfers", body, 202)["transfer"]
    other = cinder.as_(make_caller("project-other", user="other"))
    path = f"/volume-transfers/{offer['id']}/accept"
    other.call("POST", path, {"accept": {"auth_key": offer["auth_key"]}}, 202)
    assert cinder.get("/schedules")["schedules"] == other.get("/schedules")["schedules"] == []
