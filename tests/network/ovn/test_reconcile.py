"""The reconcilers against both databases, fed from a table of views."""

import random
from dataclasses import replace

import pytest

from tests.network.ovn import views
from tests.network.ovn.plane import Plane, TableOfViews
from tests.network.ovn.stack import OvsdbServer
from volutus.clock import SystemClock
from volutus.errors import Unavailable
from volutus.network.ovn import (
    Kind,
    MemoryNorthbound,
    Northbound,
    OvsdbClient,
    OvsdbNorthbound,
)
from volutus.network.ovn.compile import drop_group
from volutus.network.ovn.reconcile import BLOCKED_MAX_S, DRIFT_SCAN_S, REFUSED_S
from volutus.reconcile import Again, Done


def cloud(ports: int = 3) -> TableOfViews:
    return TableOfViews(
        (Kind.NETWORK, views.network()),
        (Kind.NETWORK, views.external()),
        (Kind.SECURITY_GROUP, views.group()),
        (Kind.ROUTER, views.router()),
        (Kind.PORT, views.metadata_port()),
        *((Kind.PORT, views.port(number)) for number in range(1, ports + 1)),
    )


@pytest.fixture
def plane(northbound: Northbound) -> Plane:
    return Plane(northbound, cloud())


def test_scan_builds_everything_from_nothing(plane: Plane) -> None:
    plane.settle()
    plane.assert_right()


def test_steps_alone_build_a_port(plane: Plane) -> None:
    assert plane.step(Kind.NETWORK, views.NET) == {views.NET: Done()}
    assert plane.step(Kind.SECURITY_GROUP, views.GROUP) == {views.GROUP: Done()}
    assert plane.step(Kind.PORT, views.port_id(1)) == {views.port_id(1): Done()}
    assert plane.northbound.read_index().keys() >= {drop_group().key}


def test_port_before_its_network_waits_and_says_for_what(plane: Plane) -> None:
    outcome = plane.step(Kind.PORT, views.port_id(1))[views.port_id(1)]
    assert isinstance(outcome, Again)
    assert outcome.failed
    assert f"waits for network {views.NET}" in outcome.why
    later = plane.step(Kind.PORT, views.port_id(1), attempts=20)[views.port_id(1)]
    assert isinstance(later, Again)
    assert outcome.after_s < later.after_s == BLOCKED_MAX_S


def test_what_has_no_view_is_taken_away(plane: Plane) -> None:
    plane.settle()
    plane.topology.shown.clear()
    assert plane.step(Kind.PORT, views.port_id(1)) == {views.port_id(1): Done()}
    plane.settle()
    assert plane.northbound.read_index().keys() == {drop_group().key}


def test_rule_that_cannot_be_compiled_is_reported_and_stops_nobody(plane: Plane) -> None:
    bad = replace(views.group(views.rule(protocol="nonsense")), id="bad")
    plane.topology.put(Kind.SECURITY_GROUP, bad)
    outcomes = plane.step(Kind.SECURITY_GROUP, "bad", views.GROUP)
    assert outcomes[views.GROUP] == Done()
    assert outcomes["bad"] == Again(REFUSED_S, "There is no protocol 'nonsense'.", failed=True)


def test_scan_is_not_due_at_every_round(plane: Plane) -> None:
    plane.settle()
    plane.topology.put(Kind.PORT, views.port(1, enabled=False))
    ports = plane.by_kind[Kind.PORT]
    assert ports.scan(None) == []
    plane.clock.advance(DRIFT_SCAN_S)
    assert ports.scan(None) == [views.port_id(1)]


def test_scan_pages_through_many(northbound: Northbound) -> None:
    plane = Plane(northbound, cloud(2300))
    plane.settle(12)
    plane.assert_right()


@pytest.mark.parametrize("seed", range(8))
def test_random_histories_converge(northbound: Northbound, seed: int) -> None:
    """Objects come, change and go, wakes are lost and come in any order; the scan makes it right."""
    random_ = random.Random(seed)
    plane = Plane(northbound, cloud(6))
    full = dict(plane.topology.shown)
    variants = {
        Kind.PORT: [
            {"enabled": False},
            {"port_security": False},
            {"security_group_ids": ()},
            {"host_ids": ()},
        ],
        Kind.NETWORK: [{"mtu": 1300}, {"mtu": 1500}],
        Kind.ROUTER: [{"gateways": ()}, {"floating_ips": ()}, {"ports": ()}, {"distributed": False}],
        Kind.SECURITY_GROUP: [{"stateful": False}, {"rules": ()}, {"rules": (views.rule(1), views.rule(2))}],
    }
    for _ in range(60):
        kind, object_id = random_.choice(sorted(full, key=str))
        if random_.random() < 0.25:
            plane.topology.shown.pop((kind, object_id), None)
        else:
            change = random_.choice([{}, *variants[kind]])
            plane.topology.put(kind, replace(full[kind, object_id], **change))
        if random_.random() < 0.6:
            plane.step(kind, object_id)
    # A port cannot be where its network or group is not.
    plane.topology.shown = full | plane.topology.shown
    plane.settle()
    plane.assert_right()


def test_database_lost_entirely_is_rebuilt(ovsdb: OvsdbServer, real: OvsdbNorthbound) -> None:
    plane = Plane(real, cloud())
    plane.settle()
    ovsdb.lose_everything()
    assert real.read_index() == {}
    plane.settle()
    plane.assert_right()


def test_away_is_unavailable_to_steps_and_silent_to_scans(ovsdb: OvsdbServer) -> None:
    clock = SystemClock()
    client = OvsdbClient(ovsdb.remote, clock)
    plane = Plane(OvsdbNorthbound(client), cloud())
    ovsdb.stop()
    assert plane.by_kind[Kind.PORT].scan(None) == []
    with pytest.raises(Unavailable):
        plane.step(Kind.PORT, views.port_id(1))
    client.close()


def test_simulated_ports_come_up_where_they_are_bound() -> None:
    plane = Plane(MemoryNorthbound(), cloud())
    plane.settle()
    plane.topology.put(Kind.PORT, views.port(2, host_ids=()))
    plane.step(Kind.PORT, views.port_id(2))
    asked = [views.port_id(1), views.port_id(2)]
    assert plane.northbound.ports_up(asked) == {views.port_id(1)}
