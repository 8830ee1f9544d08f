"""What a tenant is told of a packet, from what OVN printed of it."""

import pytest

from tests.conftest import make_caller
from volutus.network import networks, ports, security_group_rules, security_groups, subnets, trace
from volutus.network.errors import InvalidInput, PortNotFound
from volutus.network.networks import NetworkOrder
from volutus.network.ovn.rows import row_uuid
from volutus.network.ports import PortOrder
from volutus.network.security_group_rules import RuleOrder
from volutus.network.security_groups import SecurityGroupOrder
from volutus.network.subnets import SubnetOrder
from volutus.network.trace import Packet, Stopped, Verdict

OURS = make_caller("project-a")
THEIRS = make_caller("project-b", user="user-b")
WEB = {"to": "10.0.0.7", "port": "80"}


@pytest.fixture
def tx(database):
    with database.begin() as opened:
        yield opened


@pytest.fixture
def net(tx):
    made = networks.create(tx, OURS, NetworkOrder(project_id="project-a", name="inside"))
    subnets.create(tx, OURS, SubnetOrder("project-a", made.id, "10.0.0.0/24"))
    return made


def port(tx, net, address, caller=OURS, group=None):
    from volutus.network.allocation import FixedIpRequest

    order = PortOrder(
        net.id,
        caller.project_id,
        fixed_ips=(FixedIpRequest(address=address),),
        security_group_ids=(group,) if group else None,
    )
    return ports.create_on(tx, caller, net, order)


def output(net, source, target, arriving):
    """What ovn-trace prints of a packet between two ports of one switch."""
    switch = row_uuid("Logical_Switch", net.id)
    group = source.security_group_ids[0].replace("-", "_")
    return f"""
# tcp,reg14=0x4

ingress(dp="{switch}", inport="{source.id}")
--------------------------------------------
 0. ls_in_check_port_sec (northd.c:8432): 1, priority 50, uuid 3b1918ab
    reg0[15] = check_in_port_sec();
    next;
 8. ls_in_acl (northd.c:6445): reg0[7] == 1 && (inport == @pg_{group} && ip4), priority 2002, uuid 52049f1b
    reg0[1] = 1;
    next;

egress(dp="{switch}", inport="{source.id}", outport="{target.id}")
------------------------------------------------------------------
{arriving}"""


DROPPED = """\
 4. ls_out_acl (northd.c:6394): reg0[9] == 1 && (outport == @pg_drop && ip), priority 2001, uuid 0ec07d35
    drop;
"""
ARRIVED = """\
 9. ls_out_apply_port_sec (northd.c:5777): 1, priority 0, uuid 8f4c6fe3
    output;
    /* output to "{port}", type "" */
"""


def test_packet_is_what_the_guest_would_send(tx, net):
    source, target = port(tx, net, "10.0.0.6"), port(tx, net, "10.0.0.7")
    asked = trace.packet(tx, OURS, source.id, WEB)
    assert isinstance(asked, Packet)
    assert asked.network_id == net.id
    assert asked.flow == (
        f'inport == "{source.id}" && eth.src == {source.mac} && eth.dst == {target.mac} && '
        "ip4.src == 10.0.0.6 && ip4.dst == 10.0.0.7 && ip.ttl == 64 && tcp.src == 40000 && tcp.dst == 80"
    )


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("10.0.0.99", "Nobody on the port's network has the address 10.0.0.99"),
        ("9.9.9.9", "is the subnet plugged into a router?"),
        ("fd00::1", "no IPv6 address"),
    ],
)
def test_what_cannot_even_be_sent_is_explained(tx, net, to, why):
    source = port(tx, net, "10.0.0.6")
    asked = trace.packet(tx, OURS, source.id, {"to": to})
    assert isinstance(asked, Stopped)
    told = trace.stopped(asked)
    assert told.verdict is Verdict.DROPPED
    assert why in told.reason


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "to"),
        ({"to": "example.org"}, "to"),
        ({"to": '10.0.0.7" && 1'}, "to"),
        ({"to": "10.0.0.7", "port": "0"}, "port"),
        ({"to": "10.0.0.7", "port": "65536"}, "port"),
        ({"to": "10.0.0.7", "port": "80 || 1"}, "port"),
        ({"to": "10.0.0.7", "protocol": "tcp"}, "port"),
        ({"to": "10.0.0.7", "protocol": "icmp", "port": "80"}, "port"),
        ({"to": "10.0.0.7", "protocol": "gre"}, "protocol"),
        ({"to": "10.0.0.7", "via": "10.0.0.8"}, "via"),
    ],
)
def test_parameters_are_checked(tx, net, asked, field):
    source = port(tx, net, "10.0.0.6")
    with pytest.raises(InvalidInput) as refused:
        trace.packet(tx, OURS, source.id, asked)
    assert refused.value.field == field


def test_only_owners_may_ask(tx, net):
    source = port(tx, net, "10.0.0.6")
    with pytest.raises(PortNotFound):
        trace.packet(tx, THEIRS, source.id, WEB)


def test_missing_rule_is_named_by_its_side(tx, net):
    source, target = port(tx, net, "10.0.0.6"), port(tx, net, "10.0.0.7")
    asked = trace.packet(tx, OURS, source.id, WEB)
    told = trace.tell(tx, OURS, asked, trace.read(output(net, source, target, DROPPED)))
    assert told.verdict is Verdict.DROPPED
    assert told.reason.startswith("No ingress rule")
    assert target.id in told.reason
    assert [(step.kind, step.name) for step in told.steps] == [
        ("port", ""), ("network", "inside"), ("security_group_rule", None)
    ]  # fmt: skip


def test_rule_that_admits_is_named(tx, net):
    group = security_groups.create(tx, OURS, SecurityGroupOrder("project-a", "web")).id
    rule = security_group_rules.create(tx, OURS, RuleOrder("project-a", group, "ingress", 4, "tcp", 80, 80))
    source, target = port(tx, net, "10.0.0.6"), port(tx, net, "10.0.0.7", group=group)
    name = f"pg_{group.replace('-', '_')}"
    match = f"reg0[7] == 1 && (outport == @{name} && ip4 && tcp && tcp.dst == 80)"
    admitted = f" 4. ls_out_acl (northd.c:6445): {match}, priority 2002, uuid 06aaede4\n    next;\n"
    events = trace.read(output(net, source, target, admitted + ARRIVED.format(port=target.id)))
    told = trace.tell(tx, OURS, trace.packet(tx, OURS, source.id, WEB), events)
    assert told.verdict is Verdict.DELIVERED
    assert rule.id in {step.id for step in told.steps}
    assert told.steps[-1].id == target.id


def test_what_is_somebody_elses_has_no_name(tx):
    made = networks.create(
        tx, make_caller("admin", "admin"), NetworkOrder(project_id="admin", name="common", shared=True)
    )
    subnets.create(tx, make_caller("admin", "admin"), SubnetOrder("admin", made.id, "10.0.0.0/24"))
    admin = make_caller("admin", "admin")
    source = port(tx, made, "10.0.0.6", admin)
    tx_port = ports.create_on(tx, THEIRS, made, PortOrder(made.id, "project-b", name="secret"))
    mine = ports.create_on(tx, OURS, made, PortOrder(made.id, "project-a"))
    assert source.id
    to = {"to": tx_port.fixed_ips[0].address, "port": "80"}
    asked = trace.packet(tx, OURS, mine.id, to)
    for arriving in (DROPPED, ARRIVED.format(port=tx_port.id)):
        told = trace.tell(tx, OURS, asked, trace.read(output(made, mine, tx_port, arriving)))
        said = repr(told)
        assert tx_port.id not in said
        assert "secret" not in said
        assert "not yours" in told.reason
