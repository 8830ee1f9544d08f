"""Metering labels: their rules, who may see them, and what hosts count for them."""

import pytest

from tests.conftest import make_caller
from tests.network.test_servers import FACTS, nics
from volutus import metering, network, placement
from volutus.network.ovn.model import Kind
from volutus.network.topology import SqlTopology
from volutus.placement.inventory import Overcommit
from volutus.wire import MarkCounted, MarksObserved

LABELS, RULES = "metering/metering-labels", "metering/metering-label-rules"


@pytest.fixture
def label(admin):
    return admin.make("metering_label", LABELS, name="web", project_id="project-a")


def rule(admin, label, **body):
    return admin.make("metering_label_rule", RULES, metering_label_id=label["id"], **body)


def test_labels_and_rules(admin, net, stranger, label):
    made = rule(admin, label, direction="egress", remote_ip_prefix="10.0.0.9/24")
    assert made == net.show(f"{RULES}/{made['id']}")
    assert made == {
        "id": made["id"],
        "project_id": "project-a",
        "tenant_id": "project-a",
        "metering_label_id": label["id"],
        "direction": "egress",
        "remote_ip_prefix": "10.0.0.0/24",
        "source_ip_prefix": None,
        "destination_ip_prefix": None,
        "excluded": False,
    }
    # Leaving out may overlap what counts; the other direction is another matter.
    rule(admin, label, direction="egress", remote_ip_prefix="10.0.0.0/28", excluded=True)
    rule(admin, label, remote_ip_prefix="10.0.0.0/24")
    assert len(net.show(f"{RULES}?metering_label_id={label['id']}&direction=egress")) == 2
    assert net.show(f"{RULES}?remote_ip_prefix=10.0.0.0/28&excluded=True")[0]["excluded"] is True
    assert net.show(LABELS) == [label]
    # Others see those of every project alone, and what those counted not at all.
    common = admin.make("metering_label", LABELS, name="all", shared=True)
    assert [one["name"] for one in stranger.show(LABELS)] == ["all"]
    assert stranger.show(RULES) == []
    for path in (
        f"{LABELS}/{label['id']}",
        f"{LABELS}/{label['id']}/usage",
        f"{LABELS}/{common['id']}/usage",
    ):
        stranger.refused("GET", path, 404, "MeteringLabelNotFound")
    stranger.refused("GET", f"{RULES}/{made['id']}", 404, "MeteringLabelRuleNotFound")
    net.refused("POST", LABELS, 403, "PolicyNotAuthorized", {"metering_label": {"name": "mine"}})
    net.refused("DELETE", f"{LABELS}/{label['id']}", 403, "PolicyNotAuthorized")
    admin.delete(f"{LABELS}/{label['id']}")
    admin.refused("DELETE", f"{RULES}/{made['id']}", 404, "MeteringLabelRuleNotFound")


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 400, "InvalidInput"),
        ({"remote_ip_prefix": "10.0.0.0/33"}, 400, "InvalidInput"),
        ({"source_ip_prefix": "fd00::/64", "destination_ip_prefix": "10.0.0.0/8"}, 400, "InvalidInput"),
        ({"remote_ip_prefix": "10.0.0.0/8", "source_ip_prefix": "10.0.0.0/8"}, 400, "InvalidInput"),
        ({"remote_ip_prefix": "10.0.0.0/8", "direction": "both"}, 400, "HTTPBadRequest"),
        ({"destination_ip_prefix": "10.0.4.0/24"}, 409, "MeteringLabelRuleOverlaps"),
        ({"metering_label_id": "none", "remote_ip_prefix": "10.0.0.0/8"}, 404, "MeteringLabelNotFound"),
    ],
)
def test_rules_that_are_refused(admin, label, body, status, error):
    rule(admin, label, remote_ip_prefix="10.0.0.0/16")
    body = {"metering_label_id": label["id"], "direction": "ingress", **body}
    admin.refused("POST", RULES, status, error, {"metering_label_rule": body})


def test_parts_have_a_limit(admin, label):
    for number in range(15):
        rule(admin, label, direction="egress", source_ip_prefix=f"10.0.{number}.0/24")
        other = admin.make("metering_label", LABELS, project_id="project-a")
        rule(admin, other, direction="egress", destination_ip_prefix=f"9.0.{number}.0/24")
    body = {"metering_label_id": label["id"], "direction": "egress", "source_ip_prefix": "10.9.0.0/24"}
    assert "256 parts" in admin.refused("POST", RULES, 400, "InvalidInput", {"metering_label_rule": body})


def test_what_hosts_count_goes_to_labels_and_ports(admin, net, label, database, public, clock):
    router = net.make("router", external_gateway_info={"network_id": public["id"]})
    private = net.make("network")
    body = {"subnet_id": net.subnet(private)["id"]}
    net.put(f"routers/{router['id']}/add_router_interface", body)
    caller = make_caller("project-a")
    with database.begin() as tx:
        (port_id,) = network.ports_for_server(tx, caller, nics(caller))
        host_id = placement.hosts.register(tx, "host-1", "nova")
        placement.hosts.record_facts(tx, host_id, FACTS, Overcommit())
        network.bind_ports(tx, "server-1", placement.hosts.get(tx, host_id))
    everybody = admin.make("metering_label", LABELS, name="all", shared=True)
    for one in (label, everybody):
        rule(admin, one, direction="egress", source_ip_prefix="10.0.0.0/24")
        rule(admin, one, direction="ingress", destination_ip_prefix="10.0.0.0/24")
    rule(admin, everybody, direction="egress", destination_ip_prefix="9.9.9.0/24", excluded=True)

    def cells():
        (view,) = SqlTopology(database).views(Kind.ROUTER, [router["id"]])
        return {(one.direction.value, one.port_id, one.source, one.destination): one for one in view.cells}

    found = cells()
    inside, whole = "10.0.0.0/24", "0.0.0.0/0"
    address = next(source for _, port, source, _ in found if port)
    ours = found["egress", port_id, address, whole]
    partly = found["egress", port_id, address, "9.9.9.0/24"]
    rest, into = found["egress", "", inside, whole], found["ingress", "", whole, inside]
    assert partly.depth > ours.depth
    assert len({ours.mark, partly.mark, rest.mark, into.mark}) == 4
    assert cells() == found

    def told(**counted):
        marks = {"ours": ours, "partly": partly, "rest": rest, "into": into}
        observed = [
            MarkCounted(mark=marks[name].mark, run="r", bytes=size, packets=size // 100)
            for name, size in counted.items()
        ]
        with database.begin() as tx:
            network.metering_marks.record(tx, host_id, MarksObserved(marks=observed))

    told(ours=1000, partly=300, rest=50, into=7000)
    told(ours=1000, partly=300, rest=50, into=7000)
    told(into=7500)
    clock.advance(1)
    usage = net.show(f"{LABELS}/{label['id']}/usage")
    assert (usage["egress_bytes"], usage["egress_packets"], usage["ingress_bytes"]) == (1350, 13, 7500)
    assert admin.show(f"{LABELS}/{everybody['id']}/usage")["egress_bytes"] == 1050
    before = f"{LABELS}/{label['id']}/usage?since=2000-01-01&until=2000-01-02T00:00:00Z"
    assert net.show(before)["egress_bytes"] == 0
    net.refused("GET", f"{LABELS}/{label['id']}/usage?since=noon", 400, "InvalidInput")
    # What the port sent is paid for, whichever labels count it.
    with database.begin() as tx:
        sent = metering.counted(tx, "port", port_id, tx.now.replace(year=2000), tx.now)
    assert sent == {"traffic_out_bytes": 1300}
    # Without labels nothing is told apart, and what is told late is the port's alone.
    admin.delete(f"{LABELS}/{label['id']}")
    admin.delete(f"{LABELS}/{everybody['id']}")
    assert cells() == {}
    told(ours=2000)
    clock.advance(1)
    with database.begin() as tx:
        sent = metering.counted(tx, "port", port_id, tx.now.replace(year=2000), tx.now)
    assert sent == {"traffic_out_bytes": 2300}
