"""What versions 2.93 to 2.104 brought: volumes written anew, shares, hints, pinned zones, strict queries; and
what stands with them: disks on their buses, networks and addresses that a guest gets."""

import pytest
from sqlalchemy import text

from tests.api.compute.conftest import ROOT
from tests.api.compute.test_servers import IMAGE, at, body, make
from tests.compute.plane import add_image

OTHER = "22222222-2222-3333-4444-555555555555"
FROM_VOLUME = [
    {
        "boot_index": 0,
        "uuid": IMAGE,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 1,
    }
]


def test_a_volume_is_rebuilt_from_the_image_named(nova, plane, database):
    with database.begin() as tx:
        add_image(tx, OTHER)
    id_ = make(nova, plane, imageRef="", block_device_mapping_v2=FROM_VOLUME)
    url = f"{ROOT}/servers/{id_}/action"
    (before,) = plane.hosts[0].disks.values()
    refused = at(nova, "2.92").post(url, {"rebuild": {"imageRef": OTHER}})
    assert refused.status_code == 400
    assert at(nova, "2.92").post(url, {"rebuild": {"imageRef": IMAGE}}).status_code == 202
    plane.settle()
    (kept,) = plane.hosts[0].disks.values()
    assert kept.revision == before.revision
    answer = at(nova, "2.93").post(url, {"rebuild": {"imageRef": OTHER, "name": "anew"}})
    assert answer.status_code == 202, answer.text
    assert answer.json()["server"]["image"] == ""
    volume_id = before.id
    cinder = at(nova, "2.93")
    assert cinder.get(f"/volume/v3/volumes/{volume_id}").json()["volume"]["status"] == "downloading"
    plane.settle()
    (disk,) = plane.hosts[0].disks.values()
    assert (disk.id, disk.source.image_id) == (volume_id, OTHER)
    assert disk.revision == before.revision + 1
    shown = nova.get(f"{ROOT}/servers/{id_}").json()["server"]
    assert (shown["status"], shown["name"]) == ("ACTIVE", "anew")
    volume = cinder.get(f"/volume/v3/volumes/{volume_id}").json()["volume"]
    assert (volume["status"], volume["volume_image_metadata"]["image_id"]) == ("in-use", OTHER)


def test_disks_are_plugged_in_as_ordered(nova, plane):
    own = {"boot_index": 0, "uuid": IMAGE, "source_type": "image", "destination_type": "local"}
    blank = {"source_type": "blank", "destination_type": "volume", "volume_size": 1}
    devices = [
        {**own, "disk_bus": "scsi"},
        {**blank, "disk_bus": "virtio"},
        {**blank, "device_type": "cdrom"},
        {**blank, "disk_bus": "sata", "device_type": "disk"},
        blank,
    ]
    id_ = make(nova, plane, block_device_mapping_v2=devices)
    disks = plane.hosts[0].guests[id_].spec.disks
    assert [(disk.bus, disk.device, disk.read_only) for disk in disks] == [
        ("scsi", "disk", False),
        ("virtio", "disk", False),
        ("ide", "cdrom", True),
        ("sata", "disk", False),
        ("scsi", "disk", False),
    ]
    refused = nova.post(f"{ROOT}/servers", body(block_device_mapping_v2=[{**blank, "disk_bus": "lpt"}]))
    assert refused.status_code == 400


def test_a_server_tells_its_image_and_its_hints(nova, plane, database):
    with database.begin() as tx:
        tx.execute(text('UPDATE images SET properties = \'{"hw_disk_bus": "scsi", "mine": "x"}\''))
    answer = nova.post(f"{ROOT}/servers", {**body(), "os:scheduler_hints": {"query": "x"}})
    url = f"{ROOT}/servers/{answer.json()['server']['id']}"
    assert "properties" not in at(nova, "2.97").get(url).json()["server"]["image"]
    assert "scheduler_hints" not in at(nova, "2.99").get(url).json()["server"]
    newest = at(nova, "2.100").get(url).json()["server"]
    assert newest["image"]["properties"] == {"hw_disk_bus": "scsi"}
    assert newest["scheduler_hints"] == {"query": "x"}


def test_a_server_has_no_shares(nova, plane):
    url = f"{ROOT}/servers/{make(nova, plane)}/shares"
    newest = at(nova, "2.97")
    assert at(nova, "2.96").get(url).status_code == 404
    assert newest.get(url).json() == {"shares": []}
    assert newest.post(url, {"share": {"share_id": IMAGE}}).status_code == 404
    assert newest.post(url, {"share": {}}).status_code == 400
    assert newest.get(f"{url}/{IMAGE}").status_code == newest.delete(f"{url}/{IMAGE}").status_code == 404


def test_no_server_where_a_signature_should_be_verified(nova, plane):
    newest = at(nova, "2.63")
    signed = body(trusted_image_certificates=["one"], networks="none")
    assert newest.post(f"{ROOT}/servers", signed).status_code == 400
    made = newest.post(f"{ROOT}/servers", body(trusted_image_certificates=None, networks="none"))
    assert made.status_code == 202, made.text
    again = {"rebuild": {"imageRef": IMAGE, "trusted_image_certificates": ["one"]}}
    assert newest.post(f"{ROOT}/servers/{made.json()['server']['id']}/action", again).status_code == 400


def test_a_server_is_pinned_to_its_zone_and_let_go(nova, plane):
    newest = at(nova, "2.104")
    url = f"{ROOT}/servers/{make(nova, plane)}"

    def pin(zone):
        answer = newest.put(url, {"server": {"pinned_availability_zone": zone}})
        return answer.status_code, answer.json().get("server", {}).get("pinned_availability_zone")

    here = newest.get(url).json()["server"]["OS-EXT-AZ:availability_zone"]
    assert pin("elsewhere") == (409, None)
    assert pin(here) == pin(here) == (200, here)
    assert pin("elsewhere") == (409, None)
    assert pin(None) == pin(None) == (200, None)
    older = at(nova, "2.103").put(url, {"server": {"pinned_availability_zone": None}})
    assert older.status_code == 400


def test_flavors_by_name_and_without_what_never_counted(nova, plane):
    newest = at(nova, "2.102", role="admin")
    found = newest.get(f"{ROOT}/flavors/detail?name=^c[12]$").json()["flavors"]
    assert [flavor["id"] for flavor in found] == ["c1", "c2"]
    assert "rxtx_factor" in at(nova, "2.101").get(f"{ROOT}/flavors/c1").json()["flavor"]
    assert not {"rxtx_factor", "OS-FLV-DISABLED:disabled"} & found[0].keys()
    order = {"name": "x", "ram": 1, "vcpus": 1, "disk": 1, "rxtx_factor": 2.0}
    assert newest.post(f"{ROOT}/flavors", {"flavor": order}).status_code == 400
    assert newest.get(f"{ROOT}/flavors?name=[").status_code == 400


@pytest.mark.parametrize(
    ("path", "last_lenient"), [("servers", "2.74"), ("os-hypervisors", "2.52"), ("flavors/c1", "2.101")]
)
def test_words_that_a_query_does_not_know_are_refused(nova, plane, path, last_lenient):
    lenient, newest = (at(nova, version, role="admin") for version in (last_lenient, "2.104"))
    assert lenient.get(f"{ROOT}/{path}?colour=red").status_code == 200
    refused = newest.get(f"{ROOT}/{path}?colour=red")
    assert refused.status_code == 400
    assert "colour" in refused.text
    assert newest.get(f"{ROOT}/{path}").status_code == 200


def test_an_empty_name_is_not_the_list(nova, plane):
    for path in ("servers/", "os-simple-tenant-usage/", "os-volumes/"):
        assert nova.get(f"{ROOT}/{path}").status_code == 404
        assert nova.delete(f"{ROOT}/{path}").status_code == 404


def test_a_project_without_a_network_gets_one(nova, plane):
    stranger = at(nova, "2.37", project="project-new", user="user-new")
    refused = stranger.post(f"{ROOT}/servers", body())
    assert refused.status_code == 409
    assert "default" in refused.text
    assert make(stranger, plane, networks="none")
    operator = at(nova, "2.1", role="admin")
    wide = {"name": "wide", "router:external": True, "is_default": True}
    wide = operator.post("/network/v2.0/networks", {"network": wide}).json()["network"]
    subnet = {"network_id": wide["id"], "ip_version": 4, "cidr": "192.0.2.0/24"}
    assert operator.post("/network/v2.0/subnets", {"subnet": subnet}).status_code == 201
    pool = {"name": "p", "prefixes": ["10.70.0.0/16"], "default_prefixlen": 26, "is_default": True}
    assert operator.post("/network/v2.0/subnetpools", {"subnetpool": {**pool, "shared": True}}).is_success
    made = stranger.post(f"{ROOT}/servers", body(min_count=3))
    assert made.status_code == 202, made.text
    plane.settle()
    shown = stranger.get(f"{ROOT}/servers/detail").json()["servers"]
    assert [list(server["addresses"]) for server in shown] == [["auto_allocated_network"]] * 3 + [[]]


def test_a_guest_learns_its_floating_ip(nova, plane):
    operator = at(nova, "2.1", role="admin")
    wide = operator.post("/network/v2.0/networks", {"network": {"name": "wide", "router:external": True}})
    wide_id = wide.json()["network"]["id"]
    subnet = {"network_id": wide_id, "ip_version": 4, "cidr": "192.0.2.0/24"}
    assert operator.post("/network/v2.0/subnets", {"subnet": subnet}).is_success
    gateway = {"external_gateway_info": {"network_id": wide_id}}
    router = nova.post("/network/v2.0/routers", {"router": gateway}).json()["router"]["id"]
    inside = nova.get("/network/v2.0/networks?name=private").json()["networks"][0]["subnets"][0]
    path = f"/network/v2.0/routers/{router}/add_router_interface"
    assert nova.put(path, {"subnet_id": inside}).is_success
    id_ = make(nova, plane)
    port = nova.get(f"/network/v2.0/ports?device_id={id_}").json()["ports"][0]["id"]

    def told():
        plane.settle()
        return plane.hosts[0].guests[id_].spec.metadata["latest/meta-data/public-ipv4"]

    body = {"floating_network_id": wide_id, "port_id": port}
    made = nova.post("/network/v2.0/floatingips", {"floatingip": body}).json()["floatingip"]
    assert told() == made["floating_ip_address"]
    assert nova.delete(f"/network/v2.0/floatingips/{made['id']}").is_success
    assert told() == ""
