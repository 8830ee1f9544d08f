"""A load balancer with members that die and come back, reached from everywhere it should be."""

import pytest

from tests.live.network.cloud import BALANCING, NETWORK, Cloud, Guest, Tenant, fetch, wait_for

pytestmark = pytest.mark.live
WEB = {"protocol": "tcp", "port_range_min": 80, "port_range_max": 8080}
ROUNDS = 12


def seen_by(client: Guest, address: str) -> set[str]:
    """Which members answer a client's connections."""
    return {client.fetch(address, 80, tries=1) for _ in range(ROUNDS)} - {""}


def test_connections_go_to_members_that_live(cloud: Cloud, demo: Tenant) -> None:
    net, far = demo.network("10.61.0.0/24"), demo.network("10.62.0.0/24")
    demo.router(net, far)
    group = demo.group(WEB)
    members = [demo.guest(net, group), demo.guest(net, group)]
    near, away = demo.guest(net, group), demo.guest(far, group)
    balancer = demo.make(f"{BALANCING}/loadbalancers", "loadbalancer", vip_subnet_id=net["subnets"][0]["id"])
    vip = balancer["vip_address"]
    tcp = {"protocol": "TCP"}
    listener = demo.make(
        f"{BALANCING}/listeners", "listener", loadbalancer_id=balancer["id"], protocol_port=80, **tcp
    )
    pool = demo.make(
        f"{BALANCING}/pools", "pool", listener_id=listener["id"], lb_algorithm="SOURCE_IP_PORT", **tcp
    )
    for member in members:
        place = f"{BALANCING}/pools/{pool['id']}/members"
        demo.make(place, "member", address=member.address, protocol_port=8080)
    demo.make(
        f"{BALANCING}/healthmonitors",
        "healthmonitor",
        pool_id=pool["id"],
        type="TCP",
        delay=1,
        timeout=1,
        max_retries=1,
        max_retries_down=1,
    )
    floating = demo.make(
        f"{NETWORK}/floatingips",
        "floatingip",
        floating_network_id=cloud.public_id,
        port_id=balancer["vip_port_id"],
    )
    for guest in (*members, near, away):
        guest.lease()
    servers = [member.serve(8080, name) for member, name in zip(members, ("first", "second"), strict=True)]

    both = {"first", "second"}
    wait_for(lambda: states(demo, balancer) == ["ONLINE", "ONLINE"], "both members to be found alive")
    assert seen_by(near, vip) == both
    assert seen_by(away, vip) == both
    outside = {fetch(cloud.namespace, floating["floating_ip_address"], 80) for _ in range(ROUNDS)}
    assert outside == both

    servers[0].kill()
    wait_for(lambda: states(demo, balancer) == ["ERROR", "ONLINE"], "the dead member to be found")
    assert seen_by(near, vip) == {"second"}
    assert all(near.fetch(vip, 80, tries=1) == "second" for _ in range(ROUNDS))
    assert demo.get(f"{BALANCING}/loadbalancers/{balancer['id']}")["operating_status"] == "DEGRADED"
    members[0].serve(8080, "first")
    wait_for(lambda: states(demo, balancer) == ["ONLINE", "ONLINE"], "it to be found alive again")
    assert seen_by(near, vip) == both
    demo.delete(f"{BALANCING}/loadbalancers/{balancer['id']}", cascade=True)
    wait_for(lambda: not near.fetch(vip, 80, tries=1), "the address to be gone")


def states(demo: Tenant, balancer: dict[str, object]) -> list[str]:
    """The members' operating statuses, sorted."""
    tree = demo.get(f"{BALANCING}/loadbalancers/{balancer['id']}/status")["loadbalancer"]
    return sorted(member["operating_status"] for member in tree["pools"][0]["members"])
