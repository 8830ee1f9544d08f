"""What is measured by which meter, for how long: asked of the ranges, over the domains that open them."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.compute.plane import Plane, add_image, add_network
from tests.conftest import make_caller
from volutus import compute, image
from volutus.image import ImageFields, data
from volutus.image.sums import Sums

RANGES = text(
    """
    SELECT resource_kind, meter, amount, upper_inf(during) AS is_open,
        extract(epoch FROM coalesce(upper(during), :now) - lower(during))::int AS seconds
    FROM usage_ranges ORDER BY id LIMIT 100
    """
)


def ranges(database, *meters):
    with database.begin() as tx:
        rows = tx.rows(RANGES, {"now": tx.now})
        wanted = [row for row in rows if not meters or row.meter in meters]
        return [(row.meter, row.amount, row.seconds, row.is_open) for row in wanted]


@pytest.fixture
def plane(database, clock, caller):
    with database.begin() as tx:
        compute.bootstrap(tx)
        add_image(tx)
        add_network(tx, caller)
    made = Plane(database, clock, caller)
    made.add_host("host-1")
    return made


def beat(plane):
    """The host is heard, and says nothing new."""
    from volutus.wire import Observed

    for host in plane.hosts:
        with plane.database.begin() as tx:
            compute.report(tx, host.host_id, Observed(seen=host.seen, items=[]))


def settle(database):
    with database.begin() as tx:
        compute.end_usage_of_silent(tx)


def test_a_stopped_server_costs_its_disk_alone(plane, database, clock):
    server = plane.create()
    clock.advance(100)
    plane.act(compute.actions.stop, server.id)
    plane.settle()
    clock.advance(50)
    found = {meter: is_open for meter, _, _, is_open in ranges(database)}
    assert found == {"vlan": True, "cpu_mhz": False, "memory_mib": False, "storage_gib": True}


def test_what_a_silent_host_has_is_paid_until_it_was_heard_last(plane, database, clock):
    plane.create()
    beat(plane)
    before = {meter: seconds for meter, _, seconds, _ in ranges(database)}
    clock.advance(40)
    settle(database)
    assert all(is_open for *_, is_open in ranges(database))
    clock.advance(40)
    for _ in range(2):
        settle(database)
    stopped = {meter: (seconds, is_open) for meter, _, seconds, is_open in ranges(database, "cpu_mhz")}
    # Heard at most five seconds before what it said last: that is not noted each time.
    (seconds, is_open) = stopped["cpu_mhz"]
    assert not is_open
    assert before["cpu_mhz"] - 5 <= seconds <= before["cpu_mhz"]
    assert [is_open for *_, is_open in ranges(database, "storage_gib")] == [True]
    beat(plane)
    clock.advance(7)
    again = ranges(database, "cpu_mhz")
    assert [(seconds, is_open) for _, _, seconds, is_open in again[1:]] == [(7, True)]
    settle(database)
    assert ranges(database, "cpu_mhz") == again


def test_an_image_costs_what_its_bytes_take(database, clock):
    member = make_caller()
    with database.begin() as tx:
        fields = ImageFields(name="i", disk_format="raw", container_format="bare")
        made = image.create(tx, member, fields)
    assert ranges(database) == []
    with database.begin() as tx:
        upload = data.begin(tx, member, made.id)
        data.finish(tx, member, upload, Sums(3 * 2**28, "m", "s"), None)
    clock.advance(60)
    with database.begin() as tx:
        image.delete(tx, member, made.id)
    clock.advance(60)
    assert ranges(database) == [("image_gib", Decimal("0.75"), 60, False)]
