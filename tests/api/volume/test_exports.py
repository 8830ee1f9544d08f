"""Exports through the API: who may, of what, told once, and in nobody's way afterwards."""

import base64

import msgspec
import pytest
from sqlalchemy import text

from tests.conftest import make_caller
from tests.volume.conftest import facts
from volutus import audit, compute, placement, volume
from volutus.compute.projects import remove
from volutus.placement.inventory import Overcommit
from volutus.volume.keys import FILE_NAME, Sealer
from volutus.wire import ExportObserved, Gone, Observed

SERVER = "11111111-0000-4000-8000-000000000001"
EXPORTED = "is exported by iSCSI: revoke the export first"


class Exports:
    """Cinder with exports, and the host that serves them."""

    def __init__(self, cinder, agent, sealer):
        self.cinder, self.agent, self.sealer = cinder, agent, sealer

    def make(self, volume_id, expect=202):
        return self.cinder.call("POST", "/exports", {"export": {"volume_id": volume_id}}, expect)

    def show(self, export_id, expect=200):
        answer = self.cinder.get(f"/exports/{export_id}", expect)
        return answer["export"] if expect == 200 else answer

    def offered(self, portal):
        """What the host says of itself."""
        known = msgspec.structs.replace(facts("host-1"), iscsi_portal=portal)
        with self.agent.database.begin() as tx:
            placement.hosts.record_facts(tx, self.agent.host_id, known, Overcommit())

    def report(self, *items, host_id=None):
        with self.agent.database.begin() as tx:
            compute.report(tx, host_id or self.agent.host_id, Observed(seen=1, items=list(items)))

    def orders(self):
        return self.agent.desired("export")

    def serve(self, export_id, fault=None):
        generation = self.orders()[export_id].generation
        self.report(ExportObserved(id=export_id, generation=generation, ready=not fault, fault=fault))

    def password(self, export_id, host_id=None):
        with self.agent.database.begin() as tx:
            host_id = host_id or self.agent.host_id
            return volume.exports.password_of(tx, self.sealer, host_id, export_id).decode()


@pytest.fixture
def exports(cinder, agent, settings):
    settings.secrets_dir.mkdir()
    (settings.secrets_dir / FILE_NAME).write_bytes(base64.urlsafe_b64encode(bytes(32)))
    made = Exports(cinder, agent, Sealer(settings.secrets_dir))
    made.offered("203.0.113.5:3260")
    return made


def test_an_export_from_its_order_to_its_end(exports, cinder, made, database, worker, clock):
    volume_id, other = made(), made()
    export = exports.make(volume_id)["export"]
    export_id, password = export["id"], export.pop("chap_password")
    assert len(password) == 16 and password.isalnum()
    assert (export["portal"], export["lun"], export["status"]) == ("203.0.113.5:3260", 1, "preparing")
    assert export["target"] == f"iqn.2026-01.org.volutus:{export_id}"
    # The host is told where and who, and asks for the password; nothing else has it.
    (spec,) = [one.spec for one in exports.orders().values()]
    assert (spec.disk_id, spec.target, spec.user) == (volume_id, export["target"], export["chap_user"])
    assert exports.password(export_id) == password
    with database.begin() as tx:
        for table in ("volume_exports", "assignments", "audit"):
            assert password not in str(tx.rows(text(f"SELECT t::text FROM {table} t LIMIT 1000")))
    exports.serve(export_id, "No room.")
    shown = exports.show(export_id)
    assert (shown["status"], shown["fault"]) == ("error", "No room.") and "chap_password" not in shown
    exports.serve(export_id)
    assert exports.show(export_id)["status"] == "available"
    clock.advance(1)
    second = exports.make(other)["export"]["id"]
    assert [one["id"] for one in cinder.get("/exports")["exports"]] == [second, export_id]
    assert [one["id"] for one in cinder.get(f"/exports?volume_id={other}")["exports"]] == [second]
    assert cinder.get("/exports?limit=1")["exports_links"]
    clock.advance(600)
    assert "does not answer" in exports.show(second)["fault"] and exports.show(export_id)["fault"] is None
    # Revoked twice, and free only when the host says so: this host, and on an order.
    exports.report(Gone(what="export", id=second))
    for _ in range(2):
        cinder.call("DELETE", f"/exports/{export_id}", expect=202)
    assert exports.show(export_id)["status"] == "revoking" and cinder.status(volume_id) == "in-use"
    assert exports.orders()[export_id].tombstone
    exports.report(Gone(what="export", id=export_id))
    exports.show(export_id, 404)
    assert cinder.status(volume_id) == "available" and cinder.status(other) == "in-use"
    assert exports.make(volume_id)["export"]["id"] != export_id
    cinder.call("DELETE", f"/exports/{export_id}", expect=404)


def test_what_is_exported_is_in_no_other_use(exports, cinder, operator, made, settle, agent):
    volume_id = made()
    export_id = exports.make(volume_id)["export"]["id"]
    assert cinder.status(volume_id) == "in-use" and cinder.volume(volume_id)["attachments"] == []
    attach = {"attachment": {"volume_uuid": volume_id, "instance_uuid": SERVER}}
    for method, path, body in (
        ("POST", "/attachments", attach),
        ("POST", f"/volumes/{volume_id}/action", {"os-reserve": {}}),
        (
            "POST",
            f"/volumes/{volume_id}/action",
            {"os-attach": {"instance_uuid": SERVER, "mountpoint": "/dev/b"}},
        ),
        ("POST", f"/volumes/{volume_id}/action", {"os-extend": {"new_size": 2}}),
        (
            "POST",
            f"/volumes/{volume_id}/action",
            {"os-volume_upload_image": {"image_name": "i"}},
        ),
        ("POST", "/snapshots", {"snapshot": {"volume_id": volume_id, "force": False}}),
        ("POST", "/backups", {"backup": {"volume_id": volume_id}}),
        ("POST", "/volume-transfers", {"transfer": {"volume_id": volume_id}}),
        ("DELETE", f"/volumes/{volume_id}", None),
        ("POST", "/exports", {"export": {"volume_id": volume_id}}),
    ):
        answer = cinder.at("3.44").call(method, path, body)
        assert answer.status_code == 409 and EXPORTED in answer.text, (path, body, answer.text)
    cinder.call("PUT", f"/volumes/{volume_id}", {"volume": {"name": "still mine"}}, 200)
    # It is copied as one in use is.
    snapshot = {"snapshot": {"volume_id": volume_id, "force": True}}
    snapshot_id = cinder.at("3.44").call("POST", "/snapshots", snapshot, 202)["snapshot"]["id"]
    copied = made(source_volid=volume_id)
    assert cinder.get(f"/snapshots/{snapshot_id}")["snapshot"]["status"] == "available"
    cinder.call("DELETE", f"/snapshots/{snapshot_id}", expect=202)
    settle()
    # And what is in other use is not exported.
    attached = made()
    cinder.act(attached, "os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdc"})
    assert f"attached to server {SERVER}" in str(exports.make(attached, 409))
    assert "must be available" in str(exports.make(cinder.make(), 409))
    settle()
    exports.offered("")
    assert "iSCSI is not offered" in str(exports.make(copied, 409))
    # Only an operator's force ends the volume with its export; the disk goes after the last session.
    operator.act(volume_id, "os-force_delete")
    assert exports.orders()[export_id].tombstone
    settle()
    assert cinder.status(volume_id) == "deleting" and not agent.desired()[volume_id].tombstone
    exports.report(Gone(what="export", id=export_id))
    settle()
    cinder.get(f"/volumes/{volume_id}", 404)


def test_exports_are_the_projects_own(exports, cinder, operator, made, database, agent):
    volume_id = made()
    export_id = exports.make(volume_id)["export"]["id"]
    stranger, reader = cinder.as_(make_caller("project-b")), cinder.as_(make_caller(role="reader"))
    for method, path, body in (
        ("POST", "/exports", {"export": {"volume_id": volume_id}}),
        ("GET", f"/exports/{export_id}", None),
        ("DELETE", f"/exports/{export_id}", None),
    ):
        assert stranger.call(method, path, body).status_code == 404
        assert reader.call(method, path, body).status_code == (200 if method == "GET" else 403)
    everyones = "/exports?all_tenants=1&project_id="
    assert stranger.get("/exports")["exports"] == stranger.get(everyones + "project-a")["exports"] == []
    assert [one["id"] for one in operator.get(everyones + "project-a")["exports"]] == [export_id]
    assert operator.get(everyones + "project-b")["exports"] == []
    exports.make("x", 400)
    # Another host hears no password, and its words on the export count for nothing.
    with database.begin() as tx:
        other = placement.hosts.register(tx, "host-2", "nova")
    with pytest.raises(volume.exports.ExportNotFound):
        exports.password(export_id, other)
    exports.report(ExportObserved(id=export_id, generation=99, ready=True), host_id=other)
    assert exports.show(export_id)["status"] == "preparing"
    # The end of a project is the end of its exports.
    with database.begin() as tx:
        remove(tx, ["project-a"])
    assert exports.orders()[export_id].tombstone
    with pytest.raises(volume.exports.ExportNotFound):
        exports.password(export_id)
    with database.begin() as tx:
        acts = [event.action for event in audit.of_object(tx, "volume.export", export_id)]
    assert sorted(acts) == ["create", "delete"]
