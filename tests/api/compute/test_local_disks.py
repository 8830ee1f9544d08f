"""Ephemeral disks and swap: what a flavor gives, what an order makes of it, and what becomes of them as the
server is resized, rebuilt, rescued and shelved."""

import pytest
from sqlalchemy import text

from tests.api.compute.conftest import ROOT
from tests.conftest import make_caller
from volutus import placement

IMAGE = "11111111-2222-3333-4444-555555555555"
SWAP = {"source_type": "blank", "destination_type": "local", "guest_format": "swap", "boot_index": -1}
EPHEMERAL = {"source_type": "blank", "destination_type": "local", "boot_index": -1}
ROOT_DEVICE = {"source_type": "image", "destination_type": "local", "uuid": IMAGE, "boot_index": 0}
OF_ROLE = """
    SELECT d.id, v.role, d.size_gib, d.size_mib, d.filesystem, d.label, d.revision, d.encrypted
    FROM volumes v JOIN volume_disks d USING (id) WHERE v.server_id = :id AND d.removed_at IS NULL
    ORDER BY v.role, d.label LIMIT 9
"""


class Tenant:
    """Orders servers and looks at their disks from all sides."""

    def __init__(self, nova, plane):
        self.nova, self.plane = nova, plane
        self.admin = nova.as_(make_caller(role="admin"))
        for name, ephemeral, swap in (("e2", 2, 512), ("e4", 4, 1024), ("e0", 0, 0)):
            wanted = {"name": name, "id": name, "ram": 256, "vcpus": 1, "disk": 1, "swap": swap}
            wanted["OS-FLV-EXT-DATA:ephemeral"] = ephemeral
            assert self.admin.post(f"{ROOT}/flavors", {"flavor": wanted}).status_code == 200

    def ask(self, **changes):
        wanted = {"name": "one", "flavorRef": "e2", "imageRef": IMAGE, "networks": "none", **changes}
        newer = self.nova.as_(make_caller(), X_OpenStack_Nova_API_Version="2.60")
        return newer.post(f"{ROOT}/servers", {"server": wanted})

    def make(self, **changes):
        answer = self.ask(**changes)
        assert answer.status_code == 202, answer.text
        self.plane.settle()
        return answer.json()["server"]["id"]

    def act(self, server_id, **action):
        newer = self.nova.as_(make_caller(), X_OpenStack_Nova_API_Version="2.93")
        answer = newer.post(f"{ROOT}/servers/{server_id}/action", action)
        assert answer.status_code in (200, 202, 204), answer.text
        self.plane.settle()

    def status(self, server_id):
        return self.nova.get(f"{ROOT}/servers/{server_id}").json()["server"]["status"]

    def rows(self, server_id):
        with self.plane.database.read() as tx:
            return tx.rows(text(OF_ROLE), {"id": server_id})

    def disks(self, server_id):
        """(role, MiB, file system, label) of those beside the root."""
        return [
            (row.role, row.size_mib or row.size_gib * 1024, row.filesystem, row.label)
            for row in self.rows(server_id)
            if row.role != "root"
        ]

    def spec(self, server_id):
        return self.plane.hosts[0].guests[server_id].spec

    def targets(self, server_id):
        """Device to role, as the host is told."""
        roles = {row.id: row.role for row in self.rows(server_id)}
        return {disk.target: roles.get(disk.disk_id, "volume") for disk in self.spec(server_id).disks}

    def claimed_gib(self, server_id):
        with self.plane.database.read() as tx:
            return placement.claim_of(tx, server_id).disk_gib

    def metered_gib(self, server_id):
        ids = [row.id for row in self.rows(server_id)]
        statement = "SELECT sum(amount) FROM usage_ranges WHERE resource_id = ANY(:ids) AND upper_inf(during)"
        with self.plane.database.read() as tx:
            return tx.value(text(statement), {"ids": ids})


@pytest.fixture
def tenant(nova, plane):
    return Tenant(nova, plane)


EPHEMERAL0 = ("ephemeral", 2048, "ext4", "ephemeral0")


def test_a_flavor_gives_disks_beside_the_root(tenant, plane):
    server = tenant.make()
    assert tenant.disks(server) == [EPHEMERAL0, ("swap", 512, "swap", None)]
    assert tenant.targets(server) == {"vda": "root", "vdb": "ephemeral", "vdc": "swap"}
    # Swap counts as whole GiB on the host and on the bill.
    assert (tenant.claimed_gib(server), tenant.metered_gib(server)) == (4, 4)
    told = plane.hosts[0].disks[tenant.spec(server).disks[2].disk_id]
    assert (told.size_bytes, told.filesystem, told.source) == (512 << 20, "swap", None)
    metadata = tenant.spec(server).metadata
    mapping = "latest/meta-data/block-device-mapping"
    read = {name: metadata[f"{mapping}/{name}"] for name in ("ami", "root", "ephemeral0", "swap")}
    assert read == {"ami": "vda", "root": "/dev/vda", "ephemeral0": "/dev/vdb", "swap": "/dev/vdc"}
    shown = tenant.nova.get(f"{ROOT}/servers/{server}").json()["server"]
    assert shown["os-extended-volumes:volumes_attached"] == []
    assert tenant.nova.delete(f"{ROOT}/servers/{server}").status_code == 204
    plane.settle()
    assert (tenant.rows(server), plane.hosts[0].disks) == ([], {})


def test_an_order_divides_the_room(tenant):
    devices = [
        ROOT_DEVICE,
        EPHEMERAL | {"volume_size": 1, "guest_format": "ext3"},
        EPHEMERAL | {"volume_size": 1},
        SWAP | {"volume_size": 64},
        {"source_type": "blank", "destination_type": "volume", "volume_size": 1, "boot_index": -1},
    ]
    server = tenant.make(block_device_mapping_v2=devices)
    first, second = ("ephemeral", 1024, "ext3", "ephemeral0"), ("ephemeral", 1024, "ext4", "ephemeral1")
    assert tenant.disks(server) == [first, second, ("swap", 64, "swap", None)]
    names = {"vda": "root", "vdb": "ephemeral", "vdc": "ephemeral", "vdd": "swap", "vde": "volume"}
    assert tenant.targets(server) == names
    # What its order divided does not grow.
    tenant.act(server, resize={"flavorRef": "e4"})
    assert tenant.disks(server) == [first, second, ("swap", 1024, "swap", None)]


def test_beside_a_volume_that_it_boots_from(tenant):
    boot = ROOT_DEVICE | {"destination_type": "volume", "volume_size": 1}
    server = tenant.make(imageRef="", block_device_mapping_v2=[SWAP, boot])
    assert tenant.targets(server) == {"vda": "volume", "vdb": "ephemeral", "vdc": "swap"}
    assert tenant.spec(server).disks[0].boot_index == 0
    assert tenant.claimed_gib(server) == 3
    assert not any(row.encrypted for row in tenant.rows(server))
    before = {row.id: row.revision for row in tenant.rows(server)}
    tenant.act(server, rebuild={"imageRef": IMAGE})
    assert {row.id: row.revision for row in tenant.rows(server)} == dict.fromkeys(before, 1)
    tenant.act(server, shelve=None)
    assert (tenant.status(server), tenant.rows(server)) == ("SHELVED_OFFLOADED", [])
    tenant.act(server, unshelve=None)
    assert tenant.disks(server) == [EPHEMERAL0, ("swap", 512, "swap", None)]


REFUSED = [
    ([EPHEMERAL | {"volume_size": 3}], "larger than the instance type allows"),
    ([EPHEMERAL, EPHEMERAL | {"volume_size": 1}], "larger than the instance type allows"),
    ([SWAP, SWAP], "More than one swap"),
    ([SWAP | {"volume_size": 513}], "at most 512 MiB"),
    ([EPHEMERAL | {"guest_format": "zfs"}], "guest_format zfs"),
    ([EPHEMERAL | {"tag": "x"}], "no tag"),
    ([EPHEMERAL | {"boot_index": 1}], "no boot_index"),
    ([SWAP | {"disk_bus": "scsi"}], "no disk_bus"),
    ([SWAP | {"uuid": IMAGE}], "no uuid"),
]


@pytest.mark.parametrize(("devices", "why"), REFUSED)
def test_what_no_flavor_allows(tenant, devices, why):
    answer = tenant.ask(block_device_mapping_v2=[ROOT_DEVICE, *devices])
    assert (answer.status_code, why in answer.text) == (400, True), answer.text


def test_a_flavor_without_them_has_none(tenant):
    server = tenant.make(flavorRef="e0")
    assert (tenant.disks(server), tenant.claimed_gib(server)) == ([], 1)
    for device, why in ((SWAP, "has no swap"), (EPHEMERAL, "has no ephemeral disk")):
        answer = tenant.ask(flavorRef="e0", block_device_mapping_v2=[ROOT_DEVICE, device])
        assert (answer.status_code, why in answer.text) == (400, True)
    # A larger flavor brings them; going back takes them away.
    tenant.act(server, resize={"flavorRef": "e2"})
    assert tenant.disks(server) == [EPHEMERAL0, ("swap", 512, "swap", None)]
    tenant.act(server, revertResize=None)
    assert (tenant.disks(server), tenant.claimed_gib(server)) == ([], 1)


def test_resized_they_grow_and_swap_is_made_anew(tenant):
    server = tenant.make()
    before = {row.role: row.id for row in tenant.rows(server)}
    tenant.act(server, resize={"flavorRef": "e4"})
    assert tenant.status(server) == "VERIFY_RESIZE"
    larger = ("ephemeral", 4096, "ext4", "ephemeral0")
    assert tenant.disks(server) == [larger, ("swap", 1024, "swap", None)]
    after = {row.role: row.id for row in tenant.rows(server)}
    assert (after["ephemeral"], after["swap"] == before["swap"]) == (before["ephemeral"], False)
    assert tenant.targets(server) == {"vda": "root", "vdb": "ephemeral", "vdc": "swap"}
    tenant.act(server, revertResize=None)
    assert tenant.status(server) == "ACTIVE"
    assert tenant.disks(server) == [larger, ("swap", 512, "swap", None)]
    assert (tenant.claimed_gib(server), tenant.metered_gib(server)) == (6, 6)
    refused = tenant.nova.post(f"{ROOT}/servers/{server}/action", {"resize": {"flavorRef": "e0"}})
    assert (refused.status_code, "cannot shrink" in refused.text) == (400, True)
    tenant.act(server, resize={"flavorRef": "e4"})
    tenant.act(server, confirmResize=None)
    assert (tenant.disks(server)[0], tenant.claimed_gib(server)) == (larger, 6)


def test_rebuilt_rescued_and_shelved(tenant, plane):
    server = tenant.make()
    kept = {row.role: row.id for row in tenant.rows(server)}
    tenant.act(server, rebuild={"imageRef": IMAGE, "preserve_ephemeral": True})
    assert {row.role: row.revision for row in tenant.rows(server)} == {"root": 0, "ephemeral": 0, "swap": 1}
    tenant.act(server, rebuild={"imageRef": IMAGE})
    made = {row.role: (row.id == kept[row.role], row.revision) for row in tenant.rows(server)}
    assert made == {"root": (False, 0), "ephemeral": (True, 1), "swap": (True, 2)}
    assert tenant.status(server) == "ACTIVE"
    tenant.act(server, rescue={})
    names = {"vda": "rescue", "vdb": "root", "vdc": "ephemeral", "vdd": "swap"}
    assert (tenant.status(server), tenant.targets(server)) == ("RESCUE", names)
    tenant.act(server, unrescue=None)
    assert tenant.targets(server) == {"vda": "root", "vdb": "ephemeral", "vdc": "swap"}
    tenant.act(server, shelve=None)
    assert (tenant.status(server), tenant.rows(server), plane.hosts[0].disks) == ("SHELVED_OFFLOADED", [], {})
    tenant.act(server, unshelve=None)
    assert (tenant.status(server), tenant.claimed_gib(server)) == ("ACTIVE", 4)
    assert tenant.disks(server) == [EPHEMERAL0, ("swap", 512, "swap", None)]
    assert {row.revision for row in tenant.rows(server)} == {0}
