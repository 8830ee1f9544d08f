"""Somebody else's servers, server groups, key pairs, and the old names of security groups."""

from typing import Any

from sqlalchemy import text

from tests.api.foreign import STRANGER, THEM, Build, Foreign, Maker, filled
from tests.api.image.foreign import private_image
from tests.api.network import objects as networks
from tests.api.volume.foreign import empty_volume, snapshot
from tests.compute.plane import Plane as World
from tests.compute.plane import add_image
from volutus import compute
from volutus.compute.key_pairs import KeyPairOrder
from volutus.db import Tx
from volutus.http.kernel import Plane
from volutus.identity import Caller
from volutus.network import NicMode

ROOT = "/compute/v2.1"
IMAGE = "11111111-2222-3333-4444-555555555555"
_HAS_IMAGE = text("SELECT 1 FROM images WHERE id = :id")


def cloud(tx: Tx, _plane: Plane | None = None) -> str:
    """The flavors and the public image, once; the image's id."""
    compute.bootstrap(tx)
    if tx.value(_HAS_IMAGE, {"id": IMAGE}) is None:
        add_image(tx, IMAGE)
    return IMAGE


def server(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A server that is ordered and not yet anywhere."""
    order = compute.ServerOrder(
        "theirs", "c1", cloud(tx), nic_mode=NicMode.NONE, metadata={"x": "x"}, tags=["x"]
    )
    return str(compute.orders.create(tx, owner, order)[0].id)


def running(tx: Tx, plane: Plane, owner: Caller = STRANGER) -> str:
    """A server that runs on a host."""
    cloud(tx)
    world = World(plane.database, plane.clock, owner)
    world.add_host("host-1")
    return str(world.create("own", flavor_id="c1", image_id=IMAGE, nic_mode=NicMode.NONE).id)


def server_group(tx: Tx, _plane: Plane | None = None) -> str:
    """An empty group."""
    return str(compute.groups.create(tx, THEM, "theirs", "affinity").id)


def key_pair(tx: Tx, _plane: Plane | None = None) -> str:
    """A key pair of the other user's, by its name."""
    return str(compute.key_pairs.create(tx, THEM, KeyPairOrder("key-of-theirs")).name)


def _ordering(**fields: Any) -> Build:
    """A server of the stranger's that names another's object."""

    def build(tx: Tx, plane: Plane) -> tuple[str, str, Any]:
        order = {"name": "one", "flavorRef": "c1", "imageRef": cloud(tx), **filled(fields, tx, plane)}
        return (
            "POST",
            f"{ROOT}/servers",
            {"server": {key: value for key, value in order.items() if value != ""}},
        )

    return build


def _hinting(tx: Tx, _plane: Plane) -> tuple[str, str, Any]:
    order = {"name": "one", "flavorRef": "c1", "imageRef": cloud(tx)}
    return "POST", f"{ROOT}/servers", {"server": order, "os:scheduler_hints": {"group": server_group(tx)}}


def _at_server(path: str, **body: Any) -> Build:
    """A request about the stranger's own server."""

    def build(tx: Tx, plane: Plane) -> tuple[str, str, Any]:
        return "POST", f"{ROOT}/servers/{running(tx, plane)}{path}", filled(body, tx, plane)

    return build


def _block_device(**fields: Any) -> dict[str, Any]:
    return {"boot_index": 0, "destination_type": "volume", "volume_size": 1, **fields}


def _their_network(tx: Tx, _plane: Plane | None = None) -> str:
    networks.network(tx, None, STRANGER)
    return networks.network(tx)


def _own_network(tx: Tx, _plane: Plane) -> str:
    return networks.network(tx, None, STRANGER)


def _rule_of(mine: Maker, other: Maker) -> Build:
    def build(tx: Tx, plane: Plane) -> tuple[str, str, Any]:
        rule = {"ip_protocol": "tcp", "from_port": 1, "to_port": 2, "group_id": other(tx, plane)}
        return (
            "POST",
            f"{ROOT}/os-security-group-rules",
            {"security_group_rule": {"parent_group_id": mine(tx, plane), **rule}},
        )

    return build


def _snapshot_of(tx: Tx, plane: Plane) -> tuple[str, str, Any]:
    return "POST", f"{ROOT}/os-snapshots", {"snapshot": {"volume_id": empty_volume(tx, plane)}}


def _own_group(tx: Tx, _plane: Plane) -> str:
    return networks.group(tx, None, STRANGER)


_REFERENCES: dict[str, Build] = {
    "image of a server": _ordering(imageRef=private_image, networks="none"),
    "network of a server": _ordering(networks=[{"uuid": _their_network}]),
    "port of a server": _ordering(networks=[{"port": networks.port}]),
    "security group of a server": _ordering(
        networks=[{"uuid": _own_network}], security_groups=[{"name": networks.group}]
    ),
    "key pair of a server": _ordering(networks="none", key_name=key_pair),
    "volume to boot from": _ordering(
        imageRef="",
        networks="none",
        block_device_mapping_v2=[_block_device(source_type="volume", uuid=empty_volume)],
    ),
    "snapshot to boot from": _ordering(
        imageRef="",
        networks="none",
        block_device_mapping_v2=[_block_device(source_type="snapshot", uuid=snapshot)],
    ),
    "image to boot a volume from": _ordering(
        imageRef="",
        networks="none",
        block_device_mapping_v2=[_block_device(source_type="image", uuid=private_image)],
    ),
    "group of a server": _hinting,
    "volume to attach": _at_server("/os-volume_attachments", volumeAttachment={"volumeId": empty_volume}),
    "port to attach": _at_server("/os-interface", interfaceAttachment={"port_id": networks.port}),
    "network to attach": _at_server("/os-interface", interfaceAttachment={"net_id": networks.network}),
    "network of a further address": _at_server("/action", addFixedIp={"networkId": networks.network}),
    "group to add": _at_server("/action", addSecurityGroup={"name": networks.group}),
    "image to rebuild from": _at_server("/action", rebuild={"imageRef": private_image}),
    "volume of a snapshot": _snapshot_of,
    "group of a rule": _rule_of(networks.group, _own_group),
    "remote group of a rule": _rule_of(_own_group, networks.group),
}
_SERVER_ACTIONS: tuple[Any, ...] = (
    {"os-start": None},
    {"os-stop": None},
    {"reboot": {"type": "HARD"}},
    {"rebuild": {"imageRef": cloud, "name": "mine", "metadata": {"one": "two"}, "accessIPv4": "192.0.2.1"}},
    {"changePassword": {"adminPass": "secret"}},
    {"suspend": None},
    {"resume": None},
    {"resize": {"flavorRef": "c2"}},
    {"confirmResize": None},
    {"revertResize": None},
    {"rescue": {"rescue_image_ref": cloud}},
    {"unrescue": None},
    {"shelve": None},
    {"unshelve": None},
    {"restore": None},
    {"lock": None},
    {"unlock": None},
    {"os-getConsoleOutput": {"length": 10}},
    {"addSecurityGroup": {"name": "default"}},
    {"removeSecurityGroup": {"name": "default"}},
    {"addFixedIp": {"networkId": networks.network}},
    {"removeFixedIp": {"address": "192.0.2.9"}},
    {"addFloatingIp": {"address": "192.0.2.9", "fixed_address": "10.20.0.5"}},
    {"removeFloatingIp": {"address": "192.0.2.9"}},
    {"forceDelete": None},
)
_BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/servers"): (
        {
            "server": {
                "name": "one",
                "flavorRef": "c1",
                "imageRef": cloud,
                "networks": [{"uuid": networks.network, "fixed_ip": "10.20.0.88"}],
                "security_groups": [{"name": "default"}],
                "key_name": key_pair,
                "user_data": "aGVsbG8=",
                "config_drive": True,
                "adminPass": "secret",
                "metadata": {"one": "two"},
                "min_count": 1,
                "max_count": 1,
                "availability_zone": "nova",
                "accessIPv4": "192.0.2.1",
                "accessIPv6": "2001:db8::1",
                "OS-DCF:diskConfig": "AUTO",
            },
            "os:scheduler_hints": {"group": server_group},
        },
        {
            "server": {
                "name": "one",
                "flavorRef": "c1",
                "networks": [{"port": networks.port}],
                "block_device_mapping_v2": [
                    {
                        "boot_index": 0,
                        "source_type": "image",
                        "destination_type": "volume",
                        "uuid": cloud,
                        "volume_size": 1,
                        "delete_on_termination": True,
                        "device_name": "/dev/vda",
                    }
                ],
            }
        },
    ),
    ("PUT", "/servers/{id}"): {
        "server": {"name": "mine", "accessIPv4": "192.0.2.1", "accessIPv6": "2001:db8::1"}
    },
    ("POST", "/servers/{id}/action"): _SERVER_ACTIONS,
    ("POST", "/servers/{id}/remote-consoles"): {"remote_console": {"protocol": "vnc", "type": "novnc"}},
    ("POST", "/servers/{id}/metadata"): {"metadata": {"one": "two"}},
    ("PUT", "/servers/{id}/metadata"): {"metadata": {"one": "two"}},
    ("PUT", "/servers/{id}/metadata/{key}"): {"meta": {"x": "two"}},
    ("PUT", "/images/{id}/metadata"): {"metadata": {"x": "x"}},
    ("PUT", "/images/{id}/metadata/{key}"): {"meta": {"x": "x"}},
    ("PUT", "/servers/{id}/tags"): {"tags": ["mine"]},
    ("POST", "/servers/{id}/os-volume_attachments"): {
        "volumeAttachment": {"volumeId": empty_volume, "device": "/dev/vdb"}
    },
    ("PUT", "/servers/{id}/os-volume_attachments/{volume_id}"): {
        "volumeAttachment": {"volumeId": "x", "delete_on_termination": True}
    },
    ("POST", "/servers/{id}/os-interface"): {
        "interfaceAttachment": {"net_id": networks.network, "fixed_ips": [{"ip_address": "10.20.0.99"}]}
    },
    ("POST", "/flavors"): {
        "flavor": {
            "name": "one",
            "ram": 64,
            "vcpus": 1,
            "disk": 1,
            "id": "one",
            "swap": 0,
            "rxtx_factor": 1.0,
        }
    },
    ("POST", "/flavors/{id}/os-extra_specs"): {"extra_specs": {"one": "two"}},
    ("PUT", "/flavors/{id}/os-extra_specs/{key}"): {"x": "two"},
    ("POST", "/flavors/{id}/action"): {"addTenantAccess": {"tenant": "mine"}},
    ("POST", "/os-keypairs"): {"keypair": {"name": "mine", "type": "ssh", "user_id": "them"}},
    ("POST", "/os-server-groups"): {"server_group": {"name": "mine", "policies": ["affinity"]}},
    ("PUT", "/os-quota-sets/{project_id}"): {"quota_set": {"cores": 9, "ram": 999, "force": True}},
    ("PUT", "/os-quota-class-sets/{class_name}"): {"quota_class_set": {"cores": 9, "ram": 999}},
    ("POST", "/os-security-groups"): {"security_group": {"name": "mine", "description": "d"}},
    ("PUT", "/os-security-groups/{id}"): {"security_group": {"name": "mine", "description": "d"}},
    ("POST", "/os-security-group-rules"): {
        "security_group_rule": {
            "parent_group_id": networks.group,
            "ip_protocol": "tcp",
            "from_port": 22,
            "to_port": 23,
            "cidr": "10.0.0.0/8",
        }
    },
    ("POST", "/os-floating-ips"): {"pool": "public"},
    ("POST", "/os-volumes"): {
        "volume": {
            "size": 1,
            "display_name": "one",
            "display_description": "d",
            "availability_zone": "nova",
            "metadata": {"one": "two"},
        }
    },
    ("POST", "/os-snapshots"): {
        "snapshot": {"volume_id": empty_volume, "display_name": "one", "force": False}
    },
    ("POST", "/os-server-external-events"): {
        "events": [{"name": "network-changed", "server_uuid": server, "status": "completed", "tag": "x"}]
    },
    ("PUT", "/os-hosts/{name}"): {"status": "enable"},
    ("PUT", "/os-services/{id}"): {"host": "host-1", "binary": "nova-compute", "disabled_reason": "ill"},
    ("POST", "/os-aggregates"): {"aggregate": {"name": "one", "availability_zone": "nova"}},
    ("PUT", "/os-aggregates/{id}"): {"aggregate": {"name": "mine"}},
    ("POST", "/os-aggregates/{id}/action"): (
        {"add_host": {"host": "host-1"}},
        {"remove_host": {"host": "host-1"}},
        {"set_metadata": {"metadata": {"one": "two"}}},
    ),
}

FOREIGN = Foreign(
    objects={
        "servers/id": server,
        "images/id": private_image,
        "os-server-groups/id": server_group,
        "os-keypairs/name": key_pair,
        "os-volume_attachments/volume_id": empty_volume,
        "os-interface/port_id": networks.port,
        "os-floating-ips/id": networks.floating_ip,
        "os-networks/id": networks.network,
        "os-tenant-networks/id": networks.network,
        "os-volumes/id": empty_volume,
        "os-snapshots/id": snapshot,
        "os-assisted-volume-snapshots/id": snapshot,
        "os-security-groups/id": networks.group,
        "os-security-group-rules/id": networks.rule,
        "project_id": lambda _tx, _plane: THEM.own_project(),
    },
    # Flavors, hypervisors, services and aggregates are the operator's; the others name no object.
    shared=frozenset(
        {"flavors/id", "os-hypervisors/id", "os-services/id", "os-aggregates/id"}
        | {"os-console-auth-tokens/token", "os-hosts/name", "{name}/act"}
        | {"os-instance_usage_audit_log/before"}
        | {"key", "tag", "network", "request_id", "class_name", "alias", "share_id"}
    ),
    bodies=_BODIES,
    operators={("POST", "/servers/{id}/action"): {"os-resetState": {"state": "error"}}},
    # Nova says that one may not ask, whether or not there is such a project.
    refused=frozenset(
        {("GET", f"/os-quota-sets/{{project_id}}{below}") for below in ("", "/defaults", "/detail")}
        | {(method, "/os-quota-sets/{project_id}") for method in ("PUT", "DELETE")}
        | {("GET", "/os-simple-tenant-usage/{project_id}")}
        | {("DELETE", "/os-assisted-volume-snapshots/{id}")}
        # An operator's.
        | {("GET", "/servers/{id}/diagnostics"), ("GET", "/servers/{id}/migrations")}
        # Not in this version.
        | {("GET", "/servers/{id}/topology")}
        | {("PUT", "/servers/{id}/os-volume_attachments/{volume_id}")}
    ),
    references=_REFERENCES,
    # The highest in which the old names of security groups are still there.
    headers={"OpenStack-API-Version": "compute 2.35"},
)
