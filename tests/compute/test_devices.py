"""Devices and pages that a guest has for itself: asked for by a flavor, counted, given and given back."""

import pytest
from sqlalchemy import text

from tests.compute.hosts import facts
from volutus import placement
from volutus.compute import actions, flavors, resizes
from volutus.compute.flavors import Flavor
from volutus.errors import Invalid
from volutus.placement.inventory import Overcommit

GPU = {"pci_passthrough:alias": "gpu:1"}
PAGES = {"hw:mem_page_size": "large"}


@pytest.fixture
def plane(plane, database, caller):
    with database.begin() as tx:
        for name, specs in (("gpu", GPU), ("gpu-fast", GPU), ("pages", PAGES), ("many", GPU | PAGES)):
            flavors.create(tx, caller, Flavor(name, name, 1, 256, 1))
            flavors.set_extra_specs(tx, caller, name, specs)
        host = plane.hosts[0]
        has = facts(host.name, memory_mib=4096, resources={"pci:gpu": 2, "pages:2048": 256})
        placement.hosts.record_facts(tx, host.host_id, has, Overcommit())
    return plane


def used(database):
    with database.read() as tx:
        rows = tx.rows(text("SELECT resources_used, memory_mib_used FROM inventories LIMIT 1"))
    return {name: count for name, count in rows[0][0].items() if count}, rows[0][1]


def test_devices_are_had_by_one_guest_each(plane, database):
    first, second, third = (plane.create(name, flavor_id="gpu") for name in "abc")
    assert [plane.status(server.id) for server in (first, second, third)] == ["ACTIVE", "ACTIVE", "ERROR"]
    spec = plane.hosts[0].guests[first.id].spec
    assert spec.hardware.devices == {"gpu": 1}
    assert used(database) == ({"pci:gpu": 2}, 512)
    plane.act(actions.delete, first.id)
    plane.act(actions.delete, third.id)
    plane.settle()
    assert used(database) == ({"pci:gpu": 1}, 256)
    assert plane.status(plane.create("d", flavor_id="gpu").id) == "ACTIVE"


def test_pages_are_not_the_hosts_memory(plane, database):
    one = plane.create("one", flavor_id="pages")
    assert plane.hosts[0].guests[one.id].spec.hardware.page_size_kib == 2048
    assert used(database) == ({"pages:2048": 128}, 0)
    two = plane.create("two", flavor_id="many")
    assert used(database) == ({"pages:2048": 256, "pci:gpu": 1}, 0)
    assert plane.status(plane.create("three", flavor_id="pages").id) == "ERROR"
    plane.act(actions.delete, one.id)
    plane.act(actions.delete, two.id)
    plane.settle()
    assert used(database) == ({}, 0)


def test_a_server_keeps_its_devices(plane):
    server = plane.create(flavor_id="gpu")
    with pytest.raises(Invalid):
        plane.act(resizes.resize, server.id, flavor_id="c2")
    plane.act(resizes.resize, server.id, flavor_id="gpu-fast")
    plane.settle()
    assert plane.status(server.id) == "VERIFY_RESIZE"
