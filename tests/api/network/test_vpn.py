"""VPN gateways and peers over HTTP: who gets which address, which keys are told to whom, what is refused."""

import base64

import pytest

KEY = base64.b64encode(bytes(range(1, 33))).decode()


@pytest.fixture
def router(net, public):
    inside = net.make("network", name="inside")
    subnet = net.subnet(inside)
    made = net.make("router", external_gateway_info={"network_id": public["id"]})
    net.put(f"routers/{made['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    return made


@pytest.fixture
def gateway(net, router):
    return net.make("gateway", "vpn/gateways", router_id=router["id"], name="office")


def test_gateway_has_a_port_and_a_floating_ip_of_its_own(net, router, gateway):
    assert gateway["status"] == "PENDING_CREATE"
    assert gateway["address"].startswith("172.24.4.")
    assert "private" not in str(gateway)
    port = net.show(f"ports/{gateway['port_id']}")
    assert port["device_owner"] == "network:vpn"
    assert not port["port_security_enabled"]
    net.refused("DELETE", f"ports/{port['id']}", 409, "ServicePortInUse")
    body = {"gateway": {"router_id": router["id"]}}
    net.refused("POST", "vpn/gateways", 409, "VpnGatewayInUse", body)
    net.delete(f"vpn/gateways/{gateway['id']}")
    assert net.show("floatingips") == []
    assert net.api.get(f"/network/v2.0/ports/{port['id']}").status_code == 404


def test_router_without_a_way_out_carries_none(net):
    router = net.make("router")
    body = {"gateway": {"router_id": router["id"]}}
    net.refused("POST", "vpn/gateways", 409, "RouterCannotCarryVpn", body)


def test_keys_made_here_are_told_once(net, gateway):
    peer = net.make("peer", "vpn/peers", gateway_id=gateway["id"], name="laptop")
    assert f"PrivateKey = {peer['private_key']}" in peer["configuration"]
    assert f"Endpoint = {gateway['address']}:51820" in peer["configuration"]
    assert "AllowedIPs = 10.254.0.0/24, 10.0.0.0/24" in peer["configuration"]
    assert peer["tunnel_ip"] == "10.254.0.2"
    again = net.api.get(f"/network/v2.0/vpn/peers/{peer['id']}/configuration")
    assert again.headers["content-type"].startswith("text/plain")
    for text in (again.text, str(net.show(f"vpn/peers/{peer['id']}")), str(net.show("vpn/peers"))):
        assert peer["private_key"] not in text


def test_keys_of_the_tenants_own_are_taken(net, gateway):
    first = net.make("peer", "vpn/peers", gateway_id=gateway["id"], public_key=KEY)
    assert first["public_key"] == KEY
    assert first["private_key"] is None
    body = {"peer": {"gateway_id": gateway["id"], "public_key": KEY}}
    net.refused("POST", "vpn/peers", 409, "VpnPeerExists", body)
    second = net.make("peer", "vpn/peers", gateway_id=gateway["id"])
    assert second["tunnel_ip"] == "10.254.0.3"
    net.refused("DELETE", f"vpn/gateways/{gateway['id']}", 409, "VpnGatewayInUse")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"public_key": "short"}, "public_key"),
        ({"preshared_key": base64.b64encode(bytes(31)).decode()}, "preshared_key"),
        ({"remote_cidrs": ["10.0.0.0/25"]}, "overlaps"),
        ({"remote_cidrs": ["10.254.0.0/16"]}, "overlaps"),
        ({"remote_cidrs": ["0.0.0.0/0"]}, "0.0.0.0/0"),
        ({"remote_cidrs": ["everything"]}, "remote_cidrs"),
        ({"endpoint": "example.org:51820"}, "endpoint"),
        ({"endpoint": "192.0.2.1:99999"}, "endpoint"),
        ({"endpoint": "192.0.2.1:1\nprivate_key=0"}, "endpoint"),
    ],
)
def test_bad_peers_are_refused(net, gateway, body, field):
    body = {"peer": {"gateway_id": gateway["id"], **body}}
    assert field in net.refused("POST", "vpn/peers", 400, "InvalidInput", body)


def test_strangers_see_nothing(net, stranger, gateway):
    peer = net.make("peer", "vpn/peers", gateway_id=gateway["id"])
    for path in (f"vpn/gateways/{gateway['id']}", f"vpn/peers/{peer['id']}"):
        assert stranger.api.get(f"/network/v2.0/{path}").status_code == 404
    assert stranger.show("vpn/gateways") == []
    body = {"peer": {"gateway_id": gateway["id"]}}
    stranger.refused("POST", "vpn/peers", 404, "VpnGatewayNotFound", body)
