"""Backups through the API: full and incremental, restored in both ways, recorded and imported."""

import base64
import json

import pytest

from tests.conftest import make_caller
from volutus import volume
from volutus.reconcile import Worker
from volutus.wire import BackupObserved


class Target:
    """A host's backup target: it stores what it is told to, or says why not."""

    def __init__(self, database, agent):
        self.database, self.agent = database, agent
        self.worker = Worker(database, [volume.BackupReconciler(database)])

    def run(self, fault=None):
        for _ in range(2):
            self.worker.drain()
            orders = self.agent.desired("backup")
            gone = [key for key, one in orders.items() if one.tombstone]
            stored = [
                BackupObserved(
                    id=key, generation=one.generation, ready=not fault, stored_bytes=7, fault=fault
                )
                for key, one in orders.items()
                if not one.tombstone
            ]
            with self.database.begin() as tx:
                volume.backups.record_observed(tx, self.agent.host_id, stored, gone)
        self.worker.drain()


@pytest.fixture
def target(database, agent):
    return Target(database, agent)


@pytest.fixture
def back_up(cinder, target):
    def make(volume_id, expect=202, **fields):
        body = cinder.call("POST", "/backups", {"backup": {"volume_id": volume_id, **fields}}, expect)
        if expect != 202:
            return body
        target.run()
        return body["backup"]["id"]

    return make


def show(cinder, backup_id):
    return cinder.get(f"/backups/{backup_id}")["backup"]


def used(cinder):
    found = cinder.get(f"/os-quota-sets/{cinder.http.caller.project_id}?usage=true")["quota_set"]
    return found["backups"]["in_use"], found["backup_gigabytes"]["in_use"]


def test_full_and_incremental_until_both_are_gone(cinder, made, back_up, target):
    one = made(name="v")
    back_up(one, expect=400, incremental=True)
    full = back_up(one, name="full", metadata={"a": "b"})
    more = back_up(one, incremental=True)
    assert [entry["id"] for entry in cinder.get("/backups/detail")["backups"]] == [more, full]
    assert (show(cinder, full)["is_incremental"], show(cinder, full)["has_dependent_backups"]) == (
        False,
        True,
    )
    assert (show(cinder, more)["is_incremental"], show(cinder, more)["status"]) == (True, "available")
    assert target.agent.desired("backup")[more].spec.parent_id == full
    assert used(cinder) == (2, 2)
    refused = cinder.call("DELETE", f"/backups/{full}", expect=400)
    assert "delete them first" in refused["badRequest"]["message"]
    for backup_id in (more, full):
        cinder.call("DELETE", f"/backups/{backup_id}", expect=202)
        target.run()
        cinder.get(f"/backups/{backup_id}", 404)
    assert used(cinder) == (0, 0)


def test_restored_to_a_new_volume_and_over_an_old_one(cinder, made, back_up, settle, agent):
    one = made(name="v", metadata={"k": "v"})
    backup_id = back_up(one)
    answer = cinder.call("POST", f"/backups/{backup_id}/restore", {"restore": {}}, 202)["restore"]
    settle()
    fresh = cinder.volume(answer["volume_id"])
    assert (fresh["status"], fresh["metadata"], fresh["size"]) == ("available", {"k": "v"}, 1)
    assert agent.desired()[fresh["id"]].spec.source.backup_id == backup_id
    cinder.call("POST", f"/backups/{backup_id}/restore", {"restore": {"volume_id": one}}, 202)
    assert cinder.status(one) == "restoring-backup"
    settle()
    assert cinder.status(one) == "available"
    spec = agent.desired()[one].spec
    assert (spec.revision, spec.source.backup_id) == (1, backup_id)


def test_a_host_that_cannot_store_it_is_told_to_the_tenant(cinder, made, back_up, target, clock):
    one = made()
    body = cinder.call("POST", "/backups", {"backup": {"volume_id": one}}, 202)
    assert cinder.status(one) == "backing-up"
    target.run("The host's disk pool is full.")
    clock.advance(200)
    target.run("The host's disk pool is full.")
    found = show(cinder, body["backup"]["id"])
    assert (found["status"], found["fail_reason"]) == ("error", "The host's disk pool is full.")
    assert cinder.status(one) == "available"
    (message,) = cinder.get("/messages")["messages"]
    assert message["user_message"].endswith("The host's disk pool is full.")
    cinder.call("DELETE", f"/backups/{found['id']}", expect=202)
    target.run()
    cinder.get(f"/backups/{found['id']}", 404)


def test_a_record_is_exported_and_imported_without_its_data_going(cinder, operator, made, back_up, target):
    backup_id = back_up(made())
    cinder.get(f"/backups/{backup_id}/export_record", 403)
    record = operator.get(f"/backups/{backup_id}/export_record")["backup-record"]
    document = json.loads(base64.b64decode(record["backup_url"]))
    operator.call("POST", "/backups/import_record", {"backup-record": record}, 400)
    document["id"] = "11111111-2222-3333-4444-555555555555"
    changed = {**record, "backup_url": base64.b64encode(json.dumps(document).encode()).decode()}
    body = operator.call("POST", "/backups/import_record", {"backup-record": changed}, 201)
    assert body["backup"]["id"] == document["id"]
    operator.call("DELETE", f"/backups/{document['id']}", expect=202)
    target.run()
    operator.get(f"/backups/{document['id']}", 404)
    assert not target.agent.desired("backup")[backup_id].tombstone
    for bad in ("e30=", "x", base64.b64encode(b"[]").decode()):
        operator.call("POST", "/backups/import_record", {"backup-record": {**record, "backup_url": bad}}, 400)


def test_what_may_not_be_backed_up(cinder, made, back_up):
    one = made()
    cinder.call("POST", "/attachments", {"attachment": {"volume_uuid": one, "instance_uuid": one}}, 200)
    back_up(one, expect=400)
    back_up("11111111-2222-3333-4444-555555555555", expect=404)
    back_up(cinder.as_(make_caller("another", user="them")).make(), expect=404)
