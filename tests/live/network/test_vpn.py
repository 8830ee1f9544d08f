"""A VPN gateway with another site and with a machine on the road, by WireGuard's userspace program alone."""

import re
from base64 import b64decode

import pytest

from tests.live.network.cloud import NETWORK, Cloud, Tenant, run, wait_for

pytestmark = pytest.mark.live
LAN = "192.168.77.0/24"


def test_two_sites_meet_through_the_gateway(cloud: Cloud, demo: Tenant) -> None:
    net = demo.network("10.63.0.0/24")
    router = demo.router(net)
    guest = demo.guest(net, demo.group({"protocol": "icmp"}))
    gateway = demo.make(f"{NETWORK}/vpn/gateways", "gateway", router_id=router["id"], name="office")
    peer = demo.make(f"{NETWORK}/vpn/peers", "peer", gateway_id=gateway["id"], remote_cidrs=[LAN])
    assert peer["private_key"] in peer["configuration"]
    download = demo.call("GET", f"{NETWORK}/vpn/peers/{peer['id']}/configuration")
    assert peer["private_key"] not in download.text
    assert peer["private_key"] not in str(demo.get(f"{NETWORK}/vpn/peers"))
    guest.lease()

    site = Site(cloud, peer["configuration"])
    wait_for(lambda: site.pings(guest.address), "a ping through the tunnel")
    # And from the cloud to a machine of the site's own network.
    assert guest.pings("192.168.77.1")
    assert guest.pings(peer["tunnel_ip"])
    heard = wait_for(lambda: demo.get(f"{NETWORK}/vpn/peers/{peer['id']}")["last_handshake_at"], "a report")
    assert heard

    demo.delete(f"{NETWORK}/vpn/peers/{peer['id']}")
    wait_for(lambda: not site.pings(guest.address), "the peer to be shut out")
    demo.delete(f"{NETWORK}/vpn/gateways/{gateway['id']}")
    name = f"*-{gateway['id']}"
    wait_for(
        lambda: not re.search(name.replace("*", ".*"), run("ip", "netns", "list")), "the namespace to go"
    )


class Site:
    """A network namespace beyond the cloud's own machine, with the client's file carried out by hand."""

    def __init__(self, cloud: Cloud, configuration: str) -> None:
        self.namespace = f"{cloud.name}-site"
        guest = cloud.plug_outside(self.namespace)
        values = dict(re.findall(r"(\w+) = (.*)", configuration))
        device = f"wgt{cloud.name[-6:]}"
        guest("ip", "address", "add", "192.168.77.1/24", "dev", "lo")
        guest("wireguard-go", device)

        def hexed(name: str) -> str:
            return b64decode(values[name]).hex()

        lines = ["set=1", f"private_key={hexed('PrivateKey')}", f"public_key={hexed('PublicKey')}"]
        lines += [f"endpoint={values['Endpoint']}", "persistent_keepalive_interval=1"]
        reached = values["AllowedIPs"].split(", ")
        lines += [f"allowed_ip={network}" for network in reached]
        assert cloud.uapi(device, lines) == "errno=0"
        guest("ip", "address", "add", values["Address"], "dev", device)
        guest("ip", "link", "set", device, "mtu", "1380", "up")
        for network in reached[1:]:
            guest("ip", "route", "add", network, "dev", device)
        self._guest = guest

    def pings(self, address: str) -> bool:
        try:
            self._guest("ping", "-c1", "-W1", address)
        except AssertionError:
            return False
        return True
