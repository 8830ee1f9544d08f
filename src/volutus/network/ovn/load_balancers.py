"""A load balancer as northbound rows: one OVN load balancer for each listener, and a small router.

The router has the load balancer's own port and address: it answers ARP for it and forwards what a client's
switch has already turned to a member. Without it a packet to the address would go to a port that is nowhere.
"""

from volutus.network.ovn.model import Kind, ListenerView, LoadBalancerView
from volutus.network.ovn.rows import Key, Needed, Ref, Row, Unit, make_row, row_uuid

TABLE = "Load_Balancer"


def compile_load_balancer(view: LoadBalancerView) -> Unit:
    """The router and the listeners."""
    name = f"lrp-{view.port_id}"
    port = make_row("Logical_Router_Port", name, name=name, mac=view.mac, networks=(view.network,))
    routes = []
    if view.gateway_address:
        anywhere = "::/0" if ":" in view.gateway_address else "0.0.0.0/0"
        routes.append(
            make_row(
                "Logical_Router_Static_Route",
                f"{view.id}/{anywhere}",
                ip_prefix=anywhere,
                nexthop=view.gateway_address,
            )
        )
    router = make_row(
        "Logical_Router",
        view.id,
        name=f"lb-{view.id}",
        enabled=True,
        options={"always_learn_from_arp_request": "false", "dynamic_neigh_routers": "true"},
        ports=[port.ref],
        static_routes=[row.ref for row in routes],
    )
    listeners = [row for listener in view.listeners for row in _listener(listener)]
    return Unit(Key(Kind.LOAD_BALANCER, view.id), (router, port, *routes, *listeners))


def listener_refs(listener_ids: tuple[str, ...]) -> list[Ref]:
    """How a switch or a router names the listeners that work there."""
    return [Ref("uuid", row_uuid(TABLE, listener_id)) for listener_id in listener_ids]


def listeners_needed(listener_ids: tuple[str, ...]) -> tuple[Needed, ...]:
    """What must be there first: OVSDB silently drops a weak reference to nothing."""
    return tuple(Needed(TABLE, row_uuid(TABLE, one), f"listener {one}") for one in listener_ids)


def _listener(view: ListenerView) -> list[Row]:
    places = [_endpoint(address, view.port) for address in view.addresses]
    backends = ",".join(_endpoint(backend.address, backend.port) for backend in view.backends)
    checks = [_health_check(view, place) for place in places] if view.monitor else []
    # A listener that nobody answers refuses, so that its clients need not wait.
    options = {"reject": "true"}
    if view.affinity_timeout_s:
        options["affinity_timeout"] = str(view.affinity_timeout_s)
    row = make_row(
        TABLE,
        view.id,
        name=view.id,
        protocol=view.protocol,
        vips=dict.fromkeys(places, backends),
        selection_fields=("ip_dst", "ip_src") if view.by_source else (),
        ip_port_mappings={
            _bare(b.address): f"{b.port_id}:{_bare(b.probe_address)}"
            for b in view.backends
            if b.port_id and b.probe_address
        },
        health_check=[check.ref for check in checks],
        options=options,
    )
    return [row, *checks]


def _health_check(view: ListenerView, place: str) -> Row:
    assert view.monitor is not None
    return make_row(
        "Load_Balancer_Health_Check",
        f"{view.id}/{place}",
        vip=place,
        options={
            "interval": str(view.monitor.interval_s),
            "timeout": str(view.monitor.timeout_s),
            "success_count": str(view.monitor.rise),
            "failure_count": str(view.monitor.fall),
        },
    )


def _endpoint(address: str, port: int) -> str:
    return f"{_bare(address)}:{port}"


def _bare(address: str) -> str:
    return f"[{address}]" if ":" in address else address
