"""What a guest can read about itself: the tree served by config drive and by 169.254.169.254.

Paths below `openstack/` and `ec2/` are on both; those below `latest/` and `2009-04-04/` are Amazon's layout,
which exists over HTTP alone. A path that ends in `/` is the listing of that directory.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from volutus.compute import certificates, personality
from volutus.compute.servers import Server
from volutus.wire import GuestNic

# The newest dated layout that cloud-init knows; `latest` is the same.
_OPENSTACK_VERSIONS = ("2018-08-27", "latest")
_EC2_VERSIONS = ("2009-04-04", "latest")


@dataclass(frozen=True)
class Addresses:
    """A server's first addresses as its guest should be told them; empty where it has none."""

    local: str = ""
    public: str = ""
    security_groups: tuple[str, ...] = ()


def tree(
    server: Server, nics: Sequence[GuestNic], addresses: Addresses, devices: Mapping[str, str]
) -> dict[str, str]:
    """Path to content; `devices` are what `root`, `ephemeral0` …, `swap` are called in it. It changes only
    when something in it does, so that no order is raised for nothing."""
    openstack = {
        "meta_data.json": _json(_meta_data(server)),
        "network_data.json": _json(_network_data(nics)),
        "vendor_data.json": "{}",
        "vendor_data2.json": "{}",
    }
    ec2 = _ec2(server, addresses)
    mapping = _block_device_mapping(devices)
    files = {f"openstack/{version}/{n}": c for version in _OPENSTACK_VERSIONS for n, c in openstack.items()}
    files.update({f"{version}/meta-data/{n}": c for version in _EC2_VERSIONS for n, c in ec2.items()})
    names = {f"block-device-mapping/{name}": device for name, device in mapping.items()}
    files.update({f"{version}/meta-data/{n}": c for version in _EC2_VERSIONS for n, c in names.items()})
    document: dict[str, object] = {n: c for n, c in ec2.items() if "/" not in n}
    files["ec2/latest/meta-data.json"] = _json(document | {"block-device-mapping": mapping})
    files.update(personality.tree(server.files))
    if server.user_data is not None:
        text = base64.b64decode(server.user_data).decode()
        files.update({f"openstack/{version}/user_data": text for version in _OPENSTACK_VERSIONS})
        files.update({f"{version}/user-data": text for version in _EC2_VERSIONS})
        files["ec2/latest/user-data"] = text
    return files


def _block_device_mapping(devices: Mapping[str, str]) -> dict[str, str]:
    """As Nova has it, and cloud-init looks for swap and the ephemeral disk: full names, but for `ami`."""
    mapping = {name: f"/dev/{device}" for name, device in devices.items()}
    return {"ami": devices["root"], **mapping} if "root" in devices else mapping


def _meta_data(server: Server) -> dict[str, object]:
    document: dict[str, object] = {
        "uuid": server.id,
        "name": server.name,
        "hostname": server.hostname,
        "launch_index": server.launch_index,
        "availability_zone": server.guest.zone if server.guest else server.zone,
        "project_id": server.project_id,
        "meta": server.metadata,
        "devices": [],
    }
    if server.key_name and server.key_public:
        document["public_keys"] = {server.key_name: server.key_public}
        document["keys"] = [
            {"name": server.key_name, "type": _key_type(server.key_public), "data": server.key_public}
        ]
    if server.files:
        document["files"] = personality.listing(server.files)
    if server.admin_pass is not None:
        document["admin_pass"] = server.admin_pass
    return document


def _network_data(nics: Sequence[GuestNic]) -> dict[str, object]:
    links: list[dict[str, object]] = []
    networks: list[dict[str, object]] = []
    for number, nic in enumerate(nics):
        link = f"tap{nic.port_id[:11]}"
        links.append(
            {
                "id": link,
                "vif_id": nic.port_id,
                "type": "ovs",
                "mtu": nic.mtu,
                "ethernet_mac_address": nic.mac,
            }
        )
        for address in nic.addresses:
            networks.append(
                {
                    "id": f"network{len(networks)}",
                    "type": "ipv6_dhcp" if ":" in address else "ipv4_dhcp",
                    "link": link,
                    "network_id": nic.network_id,
                }
            )
        if not nic.addresses:
            networks.append(
                {"id": f"network{number}", "type": "none", "link": link, "network_id": nic.network_id}
            )
    return {"links": links, "networks": networks, "services": []}


def _ec2(server: Server, addresses: Addresses) -> dict[str, str]:
    files = {
        "ami-id": f"ami-{(server.image_id or server.id)[:8]}",
        "ami-launch-index": str(server.launch_index),
        "hostname": server.hostname,
        "instance-id": f"i-{server.id[:8]}",
        "instance-type": server.flavor_name,
        "local-hostname": server.hostname,
        "local-ipv4": addresses.local,
        "placement/availability-zone": (server.guest.zone if server.guest else server.zone) or "",
        "public-hostname": server.hostname,
        "public-ipv4": addresses.public,
        "reservation-id": server.reservation_id,
        "security-groups": "\n".join(addresses.security_groups),
    }
    if server.key_name and server.key_public:
        files["public-keys/"] = f"0={server.key_name}"
        files["public-keys/0/openssh-key"] = server.key_public
    return files


def _json(document: object) -> str:
    return json.dumps(document, sort_keys=True)


def _key_type(key: str) -> str:
    return "x509" if key.startswith(certificates.BEGINS) else "ssh"
