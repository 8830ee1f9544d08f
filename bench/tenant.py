"""A tenant with room for thousands: quotas lifted, a large network, an image. Everything over the public
APIs."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.client import Client
from bench.cloud import Cloud, eventually

# A hundred of these fit on one simulated host by every measure.
FLAVOR = "100mhz-1c-256m-1g"
MIB = 1 << 20
_UNLIMITED = ("instances", "cores", "ram", "mhz")


@dataclass(frozen=True)
class Tenant:
    """`client` speaks as a member of the project, `admin` as the cloud's administrator."""

    client: Client
    admin: Client
    project_id: str
    network_id: str
    image_id: str

    @classmethod
    def make(cls, cloud: Cloud) -> "Tenant":
        """The demo project of a cloud that has just started, made ready."""
        nobody = Client(cloud.url)
        admin = nobody.sign_in("admin", cloud.password("admin"), "admin")
        client = nobody.sign_in("demo", cloud.password("demo"), "demo")
        checked = client.call("GET", "/identity/v3/auth/tokens", headers={"X-Subject-Token": client.token})
        project_id = checked.json()["token"]["project"]["id"]
        _lift_quotas(admin, project_id)
        network_id = _network(client)
        return cls(client, admin, project_id, network_id, _image(client))

    def server(self, name: str) -> dict[str, Any]:
        """The body that orders a server."""
        return {
            "server": {
                "name": name,
                "flavorRef": FLAVOR,
                "imageRef": self.image_id,
                "networks": [{"uuid": self.network_id}],
            }
        }

    def orders(self, count: int, name: str = "bench") -> Iterator[bytes]:
        """Requests for so many servers."""
        for number in range(count):
            yield self.client.request("POST", "/compute/v2.1/servers", self.server(f"{name}-{number}"))

    def create(self, name: str) -> str:
        """Order a server; its id."""
        answer = self.client.call("POST", "/compute/v2.1/servers", self.server(name))
        return str(answer.json()["server"]["id"])

    def status(self, server_id: str) -> str:
        """The server's status; `GONE` when there is none."""
        answer = self.client.call("GET", f"/compute/v2.1/servers/{server_id}")
        return "GONE" if answer.status == 404 else str(answer.json()["server"]["status"])

    def statuses(self) -> dict[str, str]:
        """Id to status of all servers."""
        answer = self.client.call("GET", "/compute/v2.1/servers/detail?limit=1000")
        return {server["id"]: server["status"] for server in answer.json()["servers"]}

    def any_with_status(self, status: str) -> bool:
        """Whether any server has this status."""
        answer = self.client.call("GET", f"/compute/v2.1/servers?status={status}&limit=1")
        return bool(answer.json()["servers"])


def _lift_quotas(admin: Client, project_id: str) -> None:
    compute = {"quota_set": dict.fromkeys(_UNLIMITED, -1)}
    admin.call("PUT", f"/compute/v2.1/os-quota-sets/{project_id}", compute).json()
    network = {
        "quota": dict.fromkeys(("network", "subnet", "port", "security_group", "security_group_rule"), -1)
    }
    admin.call("PUT", f"/network/v2.0/quotas/{project_id}", network).json()
    volume = {"quota_set": dict.fromkeys(("volumes", "gigabytes"), -1)}
    admin.call("PUT", f"/volume/v3/os-quota-sets/{project_id}", volume).json()


def _network(client: Client) -> str:
    made = client.call("POST", "/network/v2.0/networks", {"network": {"name": "bench"}}).json()["network"]
    subnet = {"network_id": made["id"], "cidr": "10.64.0.0/16", "ip_version": 4}
    client.call("POST", "/network/v2.0/subnets", {"subnet": subnet}).json()
    return str(made["id"])


def _image(client: Client) -> str:
    order = {"name": f"bench-{uuid.uuid4().hex[:6]}", "disk_format": "raw", "container_format": "bare"}
    made = client.call("POST", "/image/v2/images", order).json()
    path = f"/image/v2/images/{made['id']}"
    octets = {"Content-Type": "application/octet-stream"}
    client.call("PUT", f"{path}/file", bytes(MIB), octets).json()
    eventually(lambda: client.call("GET", path).json()["status"] == "active", "the image is active")
    return str(made["id"])
