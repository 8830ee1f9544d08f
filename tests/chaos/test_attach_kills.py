"""`kill -9` of the control plane's processes while volumes are plugged into running servers and taken out
again. A failure prints its seed; many more such histories, of parts that die at any statement, are in
`tests/sim`."""

import random
import time

import pytest

from bench.cloud import Cloud, eventually
from bench.tenant import Tenant
from tests.chaos.order import await_order
from tests.chaos.test_kills import SETTLED_WITHIN_S, _answered, killing

pytestmark = pytest.mark.machine

SERVERS = 3
STEPS = 16
# A listener, the agents' one, the reconciler, the database: see `KILLED`.
SEEDS = (1, 2, 3, 4)


class Pairs:
    """Servers, each with a volume on its host that comes and goes."""

    def __init__(self, tenant: Tenant, seed: int) -> None:
        self.tenant = tenant
        self.root = f"/volume/v3/{tenant.project_id}"
        self.pairs = [self._pair(f"a-{seed}-{number}") for number in range(SERVERS)]

    def _pair(self, name: str) -> tuple[str, str]:
        """A server is placed where its volume is."""
        volume = _answered(self.tenant, "POST", f"{self.root}/volumes", {"volume": {"size": 1}}).json()
        volume_id = volume["volume"]["id"]
        eventually(lambda: self.volume(volume_id)["status"] == "available", "the volume is made")
        order = self.tenant.server(name)
        root = {"source_type": "image", "destination_type": "local", "uuid": order["server"]["imageRef"]}
        more = {"source_type": "volume", "destination_type": "volume", "uuid": volume_id, "boot_index": -1}
        order["server"]["block_device_mapping_v2"] = [{**root, "boot_index": 0}, more]
        server = _answered(self.tenant, "POST", "/compute/v2.1/servers", order).json()["server"]
        eventually(lambda: self.tenant.status(server["id"]) == "ACTIVE", "the server runs")
        return server["id"], volume_id

    def volume(self, volume_id: str) -> dict[str, object]:
        found: dict[str, object] = _answered(self.tenant, "GET", f"{self.root}/volumes/{volume_id}").json()
        return found["volume"]  # type: ignore[return-value]

    def plugged(self, server_id: str) -> list[str]:
        """The volumes of a server, as the compute service tells."""
        path = f"/compute/v2.1/servers/{server_id}/os-volume_attachments"
        return [one["volumeId"] for one in _answered(self.tenant, "GET", path).json()["volumeAttachments"]]

    def act(self, dice: random.Random) -> None:
        """Take one out, or plug it in: as an impatient client, who hears no answer and does not ask again."""
        server_id, volume_id = dice.choice(self.pairs)
        path = f"/compute/v2.1/servers/{server_id}/os-volume_attachments"
        try:
            if dice.random() < 0.5:
                self.tenant.client.call("DELETE", f"{path}/{volume_id}")
            else:
                wanted = {"volumeAttachment": {"volumeId": volume_id}}
                answer = self.tenant.client.call("POST", path, wanted)
                assert answer.status < 300 or answer.status in (400, 409, 503), answer
        except (ConnectionError, TimeoutError):
            self.tenant.client.close()

    def unsettled(self) -> list[str]:
        """Volumes of which something is under way, or of which the two services do not tell the same."""
        told = []
        for server_id, volume_id in self.pairs:
            found = self.volume(volume_id)
            tied = [one["server_id"] for one in found["attachments"]]  # type: ignore[attr-defined]
            plugged = self.plugged(server_id)
            expected = ("in-use", [server_id]) if plugged == [volume_id] else ("available", [])
            if (found["status"], tied) != expected:
                told.append(f"{volume_id} is {found['status']} in {tied}, server {server_id} has {plugged}")
        return told

    def clear(self) -> None:
        for server_id, _ in self.pairs:
            _answered(self.tenant, "DELETE", f"/compute/v2.1/servers/{server_id}")
        eventually(lambda: not self.tenant.statuses(), "the servers are gone", SETTLED_WITHIN_S)
        for _, volume_id in self.pairs:
            eventually(lambda key=volume_id: self.volume(key)["status"] == "available", "it is let go")
            _answered(self.tenant, "DELETE", f"{self.root}/volumes/{volume_id}")


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_plugged_in_is_what_is_told(cloud: Cloud, tenant: Tenant, seed: int) -> None:
    dice = random.Random(seed)
    pairs = Pairs(tenant, seed)
    with killing(cloud, seed) as killer:
        for _ in range(STEPS):
            pairs.act(dice)
            time.sleep(dice.uniform(0, 0.15))
    told = killer.told
    eventually(lambda: not pairs.unsettled(), lambda: f"{told}: {pairs.unsettled()}", SETTLED_WITHIN_S)
    pairs.clear()
    await_order(cloud, ("volume_attachments", "volume_disks", "assignments", "claims"), told)
