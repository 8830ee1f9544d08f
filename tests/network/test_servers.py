"""What compute asks of the network."""

import pytest

from tests.conftest import make_caller
from volutus import network, placement
from volutus.network import networks, port_changes, ports, subnets
from volutus.network.errors import NicRequestAmbiguous, PortInUse, PortNotFound
from volutus.network.listing import Query
from volutus.network.networks import NetworkOrder
from volutus.network.ports import PortOrder
from volutus.network.subnets import SubnetChanges, SubnetOrder
from volutus.placement.inventory import Overcommit
from volutus.wire import HostFacts

FACTS = HostFacts(
    hostname="host-1",
    cores=4,
    mhz_per_core=2000,
    memory_mib=4096,
    disk_gib=100,
    accelerator="tcg",
    hypervisor_version=7002000,
    agent_version="1",
    chassis="chassis-1",
    address="127.0.0.1",
)


def make_network(tx, caller, name="private", cidr="10.0.0.0/24", **order):
    made = networks.create(tx, caller, NetworkOrder(project_id=caller.own_project(), name=name, **order))
    if cidr:
        subnets.create(
            tx, caller, SubnetOrder(project_id=caller.own_project(), network_id=made.id, cidr=cidr)
        )
    return made


def nics(caller, *requested, **order):
    return network.ServerNics("server-1", caller.own_project(), requested=tuple(requested), **order)


def test_a_server_gets_the_only_network(tx, caller):
    made = make_network(tx, caller)
    (port_id,) = network.ports_for_server(tx, caller, nics(caller))
    port = ports.get(tx, caller, port_id)
    assert (port.network_id, port.device_id, port.device_owner) == (made.id, "server-1", "compute:nova")
    (nic,) = network.guest_nics(tx, "server-1")
    assert nic.mac == port.mac
    assert nic.addresses == [port.fixed_ips[0].address]
    assert nic.metadata.addresses == ["10.0.0.2/24"]
    (address,) = network.addresses(tx, ["server-1", "server-2"])["server-1"]
    assert (address.network_name, address.version, address.type) == ("private", 4, "fixed")
    assert network.security_groups_of(tx, ["server-1"]) == {"server-1": ["default"]}


def test_none_means_no_nic_and_two_networks_are_ambiguous(tx, caller):
    assert network.ports_for_server(tx, caller, nics(caller)) == []
    make_network(tx, caller)
    assert network.ports_for_server(tx, caller, nics(caller, mode=network.NicMode.NONE)) == []
    make_network(tx, caller, "other")
    with pytest.raises(NicRequestAmbiguous):
        network.ports_for_server(tx, caller, nics(caller))


def test_adopted_ports_are_freed_and_made_ones_deleted(tx, caller):
    made = make_network(tx, caller)
    mine = ports.create(tx, caller, PortOrder(made.id, caller.own_project(), name="mine"))
    wanted = (network.NicRequest(port_id=mine.id), network.NicRequest(network_id=made.id))
    adopted, other = network.ports_for_server(tx, caller, nics(caller, *wanted))
    assert adopted == mine.id
    with pytest.raises(PortInUse):
        network.ports_for_server(tx, caller, nics(caller, network.NicRequest(port_id=mine.id)))
    network.release_ports(tx, "server-1")
    assert ports.get(tx, caller, mine.id).device_id == ""
    with pytest.raises(PortNotFound):
        ports.get(tx, caller, other)


def test_ports_of_others_are_not_found(tx, caller):
    made = make_network(tx, caller)
    mine = ports.create(tx, caller, PortOrder(made.id, caller.own_project()))
    other = make_caller("project-b")
    with pytest.raises(PortNotFound):
        network.ports_for_server(tx, other, nics(other, network.NicRequest(port_id=mine.id)))


def test_a_port_that_names_a_server_is_not_its_own(tx, caller):
    """Else a stranger's network would be plugged into the server, and told its user data."""
    made = make_network(tx, caller)
    (port_id,) = network.ports_for_server(tx, caller, nics(caller))
    stranger = make_caller("project-b")
    theirs = make_network(tx, stranger, "theirs")
    claims = {"device_id": "server-1", "device_owner": "compute:nova"}
    claimed = ports.create(tx, stranger, PortOrder(theirs.id, stranger.own_project(), **claims))
    ports_changed(tx, caller, ports.create(tx, caller, PortOrder(made.id, caller.own_project())).id, **claims)
    assert [nic.port_id for nic in network.guest_nics(tx, "server-1")] == [port_id]
    assert [one.port_id for one in network.addresses(tx, ["server-1"])["server-1"]] == [port_id]
    with pytest.raises(PortNotFound):
        network.detach_interface(tx, caller, "server-1", claimed.id)
    # Nor does one that is plugged in get away by saying that it is not: it would not be metered.
    ports_changed(tx, caller, port_id, device_id="", device_owner="")
    assert [nic.port_id for nic in network.guest_nics(tx, "server-1")] == [port_id]
    with pytest.raises(PortInUse):
        network.attach_interface(tx, caller, nics(caller, network.NicRequest(port_id=port_id)))
    network.release_ports(tx, "server-1")
    assert ports.get(tx, stranger, claimed.id).device_id == "server-1"


def ports_changed(tx, caller, port_id, **changes):
    port_changes.change(tx, caller, port_id, port_changes.PortChanges(**changes))


def test_binding_names_host_and_chassis(tx, caller):
    make_network(tx, caller)
    (port_id,) = network.ports_for_server(tx, caller, nics(caller))
    host_id = placement.hosts.register(tx, "host-1", "nova")
    placement.hosts.record_facts(tx, host_id, FACTS, Overcommit(1.0, 1.0))
    network.bind_ports(tx, "server-1", placement.hosts.get(tx, host_id))
    port = ports.get(tx, caller, port_id)
    assert (port.host_name, port.chassis, port.status) == ("host-1", "chassis-1", "BUILD")
    assert not network.ports_ready(tx, "server-1")


def test_nics_are_attached_and_detached(tx, caller):
    made = make_network(tx, caller)
    (first,) = network.ports_for_server(tx, caller, nics(caller))
    (second,) = network.attach_interface(tx, caller, nics(caller, network.NicRequest(network_id=made.id)))
    assert [nic.port_id for nic in network.guest_nics(tx, "server-1")] == [first, second]
    network.detach_interface(tx, caller, "server-1", first)
    assert [nic.port_id for nic in network.guest_nics(tx, "server-1")] == [second]
    with pytest.raises(PortNotFound):
        network.detach_interface(tx, caller, "server-1", first)


def test_metadata_is_served_where_there_is_only_ipv6(tx, caller):
    made = make_network(tx, caller, cidr="fd00::/64")
    network.ports_for_server(tx, caller, nics(caller))
    (nic,) = network.guest_nics(tx, "server-1")
    assert nic.metadata is not None and nic.metadata.addresses == []
    # With a subnet of each version the port stays until neither has DHCP.
    four = SubnetOrder(project_id=caller.own_project(), network_id=made.id, cidr="10.0.0.0/24")
    four = subnets.create(tx, caller, four)
    (six,) = [one for one in subnets.list_(tx, caller, Query()) if one.ip_version == 6]
    subnets.change(tx, caller, six.id, SubnetChanges(enable_dhcp=False))
    assert network.guest_nics(tx, "server-1")[0].metadata.addresses == ["10.0.0.2/24"]
    subnets.change(tx, caller, four.id, SubnetChanges(enable_dhcp=False))
    assert network.guest_nics(tx, "server-1")[0].metadata is None
