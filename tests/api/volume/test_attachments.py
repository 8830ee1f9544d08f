"""Attachments as clients keep them, and those that belong to the compute service."""

import pytest

from volutus import volume

SERVER = "11111111-0000-4000-8000-000000000001"
CONNECTOR = {"host": "worker-1", "mountpoint": "/dev/vdb", "initiator": "iqn.2026-11.example:1"}


def test_attach_and_detach_by_hand(cinder, made):
    volume_id = made()
    cinder.act(volume_id, "os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdc"})
    shown = cinder.volume(volume_id)
    assert shown["status"] == "in-use"
    (attached,) = shown["attachments"]
    assert (attached["id"], attached["volume_id"]) == (volume_id, volume_id)
    assert (attached["server_id"], attached["device"]) == (SERVER, "/dev/vdc")
    cinder.call("DELETE", f"/volumes/{volume_id}", expect=400)
    cinder.act(volume_id, "os-begin_detaching")
    assert cinder.status(volume_id) == "detaching"
    cinder.act(volume_id, "os-roll_detaching")
    assert cinder.status(volume_id) == "in-use"
    cinder.act(volume_id, "os-detach")
    shown = cinder.volume(volume_id)
    assert (shown["status"], shown["attachments"]) == ("available", [])
    cinder.act(volume_id, "os-detach")


def test_reserving_is_for_a_while(cinder, made, clock, worker):
    volume_id = made()
    cinder.act(volume_id, "os-reserve")
    assert cinder.status(volume_id) == "attaching"
    cinder.act(volume_id, "os-reserve", expect=400)
    cinder.act(volume_id, "os-unreserve")
    assert cinder.status(volume_id) == "available"
    cinder.act(volume_id, "os-reserve")
    clock.advance(16 * 60)
    worker.scan()
    worker.drain()
    assert cinder.status(volume_id) == "available"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"instance_uuid": SERVER, "host_name": "h", "mountpoint": "/dev/vdb"},
        {"instance_uuid": SERVER, "mode": "wr"},
        {"instance_uuid": SERVER, "mountpoint": ""},
    ],
)
def test_attaching_to_nothing_sensible_is_refused(cinder, made, body):
    cinder.act(made(), "os-attach", body, expect=400)


def test_the_attachments_api_goes_through_its_states(cinder, made):
    volume_id = made()
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": SERVER}}
    cinder.at("3.26").call("POST", "/attachments", body, 404)
    made_ = cinder.call("POST", "/attachments", body, 200)["attachment"]
    path = f"/attachments/{made_['id']}"
    assert (made_["status"], made_["connection_info"], cinder.status(volume_id)) == (
        "reserved",
        {},
        "reserved",
    )
    cinder.call("POST", "/attachments", body, 400)
    cinder.call("POST", f"{path}/action", {"os-complete": {}}, 400)
    updated = cinder.call("PUT", path, {"attachment": {"connector": CONNECTOR}}, 200)["attachment"]
    assert (updated["status"], cinder.status(volume_id)) == ("attaching", "attaching")
    assert updated["connection_info"]["volume_id"] == volume_id
    cinder.call("POST", f"{path}/action", {"os-complete": {}}, 204)
    assert cinder.get(path)["attachment"]["status"] == "attached"
    assert cinder.status(volume_id) == "in-use"
    assert cinder.get("/attachments?status=attached")["attachments"][0]["instance"] == SERVER
    assert cinder.get("/attachments?status=reserved")["attachments"] == []
    assert len(cinder.get(f"/attachments/detail?volume_id={volume_id}")["attachments"]) == 1
    assert cinder.call("DELETE", path, expect=200) == {"attachments": []}
    assert cinder.status(volume_id) == "available"
    cinder.get(path, 404)


def test_what_compute_plugged_in_is_computes_to_unplug(cinder, made, database, caller):
    volume_id = made()
    with database.begin() as tx:
        tied = volume.begin_attach(tx, caller, volume_id, SERVER)
        volume.record_plugged(tx, SERVER, [volume_id])
    shown = cinder.volume(volume_id)
    assert (shown["status"], shown["attachments"][0]["device"]) == ("in-use", "/dev/vda")
    assert cinder.get(f"/attachments/{tied.id}")["attachment"]["status"] == "attached"
    assert "Compute API" in cinder.act(volume_id, "os-detach", expect=409)["conflictingRequest"]["message"]
    cinder.act(volume_id, "os-begin_detaching", expect=409)
    cinder.call("DELETE", f"/attachments/{tied.id}", expect=409)
    connector = {"connector": {"host": "h"}}
    cinder.act(volume_id, "os-terminate_connection", connector, expect=409)
    other = made()
    body = {"attachment": {"volume_uuid": other, "instance_uuid": SERVER, "connector": CONNECTOR}}
    wrong = {"attachment_id": cinder.call("POST", "/attachments", body, 200)["attachment"]["id"]}
    assert wrong["attachment_id"] in str(cinder.act(volume_id, "os-detach", wrong, expect=400))
    cinder.act(other, "os-terminate_connection", connector)
    cinder.call("DELETE", f"/volumes/{volume_id}", expect=400)
    cinder.at("3.41").act(volume_id, "os-extend", {"new_size": 3}, expect=400)


def test_a_read_only_volume_is_attached_read_only(cinder, made):
    volume_id = made()
    cinder.act(volume_id, "os-update_readonly_flag", {"readonly": True})
    cinder.act(volume_id, "os-attach", {"instance_uuid": SERVER, "mode": "rw"}, expect=400)
    cinder.act(volume_id, "os-attach", {"instance_uuid": SERVER, "mode": "ro"})
    assert cinder.volume(volume_id)["metadata"]["attached_mode"] == "ro"
