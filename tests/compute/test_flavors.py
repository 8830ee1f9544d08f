"""Flavors: presets, any size by name, extra specs, access."""

import pytest

from tests.conftest import make_caller
from volutus.compute import flavors
from volutus.compute.faults import AccessExists, AccessNotFound, FlavorExists, FlavorNotFound
from volutus.compute.flavors import MHZ_SPEC, Flavor, FlavorFilter
from volutus.db import Page
from volutus.errors import Invalid

ADMIN = make_caller(role="admin")


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("4000mhz-8c-4096m", (4000, 8, 4096, 0)),
        ("500mhz-1c-64m-20g", (500, 1, 64, 20)),
        ("4000mhz-8c", None),
        ("0mhz-8c-4096m", None),
        ("4000MHz-8c-4096m", None),
        ("4000mhz-8c-4096m-", None),
        ("c1", None),
    ],
)
def test_names_that_are_sizes(name, size):
    found = flavors.of_any_size(name)
    assert (found and (found.mhz, found.cores, found.memory_mib, found.disk_gib)) == size


def test_a_size_beyond_the_bounds_is_refused():
    with pytest.raises(Invalid):
        flavors.of_any_size("99999999mhz-1c-1m")


def test_bootstrap_may_run_again_and_keeps_what_was_changed(tx, caller):
    flavors.bootstrap(tx)
    flavors.set_description(tx, ADMIN, "c1", "small")
    flavors.bootstrap(tx)
    assert flavors.get(tx, caller, "c1").description == "small"
    assert [f.id for f in flavors.list_(tx, caller, Page(), FlavorFilter())] == [
        "c1",
        "c2",
        "c3",
        "c4",
        "c5",
        "c6",
    ]


def test_mhz_follow_the_extra_spec(tx):
    made = flavors.create(tx, ADMIN, Flavor("f", "f", 2, 512, 1))
    assert made.mhz == 2 * flavors.MHZ_PER_CORE
    assert flavors.set_extra_specs(tx, ADMIN, "f", {MHZ_SPEC: "700"}).mhz == 700
    with pytest.raises(Invalid):
        flavors.set_extra_specs(tx, ADMIN, "f", {MHZ_SPEC: "fast"})


@pytest.mark.parametrize(
    "flavor",
    [Flavor("c1", "other", 1, 1, 1), Flavor("other", "c1", 1, 1, 1), Flavor("x", "1mhz-1c-1m", 1, 1, 1)],
)
def test_ids_and_names_are_taken_once(tx, flavor):
    flavors.bootstrap(tx)
    with pytest.raises(FlavorExists):
        flavors.create(tx, ADMIN, flavor)


def test_a_flavor_that_is_not_public_needs_access(tx, caller):
    flavors.create(tx, ADMIN, Flavor("f", "f", 1, 1, 1, is_public=False))
    assert flavors.access_of(tx, ADMIN, "f") == []
    stranger = make_caller("project-b", user="b")
    with pytest.raises(FlavorNotFound):
        flavors.get(tx, stranger, "f")
    flavors.add_access(tx, ADMIN, "f", "project-b")
    assert flavors.get(tx, stranger, "f").id == "f"
    with pytest.raises(AccessExists):
        flavors.add_access(tx, ADMIN, "f", "project-b")
    flavors.remove_access(tx, ADMIN, "f", "project-b")
    with pytest.raises(AccessNotFound):
        flavors.remove_access(tx, ADMIN, "f", "project-b")
