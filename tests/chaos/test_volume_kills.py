"""`kill -9` of the control plane's processes while volumes are made, copied, backed up, downloaded and
removed. The hosts are simulated, and keep their disks in memory: what a killed agent leaves on a real one is
tested in `tests/agent`. A failure prints its seed."""

import random
import time

import pytest

from bench.client import Answer
from bench.cloud import Cloud, eventually
from bench.tenant import Tenant
from tests.chaos.order import await_order
from tests.chaos.test_kills import SETTLED_WITHIN_S, _answered, killing

pytestmark = pytest.mark.machine

STEPS = 14
# As `KILLED` of the servers' test has them: a listener, the agents' one, the reconciler, the database.
SEEDS = (1, 2, 3, 4)
STABLE = {"available", "in-use", "reserved", "attaching", "error"}
NOUNS = ("volume", "snapshot", "backup")


class Shelf:
    """What a project has, and random things to do with it."""

    def __init__(self, tenant: Tenant, dice: random.Random) -> None:
        self.tenant, self.dice = tenant, dice
        self.root = f"/volume/v3/{tenant.project_id}"

    def order(self, method: str, path: str, **body: object) -> None:
        """As an impatient client: whether it was done is not asked. What was chosen may have changed."""
        answer = self._asked(method, path, body or None)
        assert answer is None or answer.status < 300 or answer.status in (400, 404, 503), answer

    def download(self, snapshot: str) -> None:
        """A part of it, right or not at all."""
        answer = self._asked("GET", f"/snapshots/{snapshot}/raw", None, {"Range": "bytes=1000-100999"})
        if answer is not None and answer.status < 300:
            assert answer.status == 206 and answer.body == bytes(100_000)

    def all(self, noun: str) -> dict[str, str]:
        """Ids with their statuses."""
        answer = _answered(self.tenant, "GET", f"{self.root}/{noun}s/detail")
        return {one["id"]: one["status"] for one in answer.json()[f"{noun}s"]}

    def some(self, noun: str) -> str | None:
        ready = [key for key, status in self.all(noun).items() if status == "available"]
        return self.dice.choice(ready) if ready else None

    def act(self) -> None:
        """One thing, if there is something to do it with."""
        volume = self.some("volume")
        if volume is None:
            self.order("POST", "/volumes", volume={"size": 1})
            return
        snapshot, backup = self.some("snapshot"), self.some("backup")
        what = self.dice.randrange(7)
        if what == 0:
            self.order("POST", "/snapshots", snapshot={"volume_id": volume})
        elif what == 1:
            self.order("POST", "/volumes", volume={"size": 1, "source_volid": volume})
        elif what == 2:
            self.order("POST", "/backups", backup={"volume_id": volume})
        elif what == 3 and backup is not None:
            self.order("POST", "/volumes", volume={"size": 1, "backup_id": backup})
        elif what == 4 and snapshot is not None:
            self.download(snapshot)
        elif what == 5 and snapshot is not None:
            self.order("DELETE", f"/snapshots/{snapshot}")
        else:
            self.order("POST", "/volumes", volume={"size": 2})

    def _asked(
        self, method: str, path: str, body: object, headers: dict[str, str] | None = None
    ) -> Answer | None:
        """The answer, or None when it was lost."""
        try:
            return self.tenant.client.call(method, self.root + path, body, headers)
        except (ConnectionError, TimeoutError, AssertionError):
            self.tenant.client.close()
            return None

    def settled(self) -> bool:
        return all(status in STABLE for noun in NOUNS for status in self.all(noun).values())

    def clear(self) -> None:
        """Remove everything: backups and snapshots before what they are of."""
        for noun in ("backup", "snapshot", "volume"):
            for key in self.all(noun):
                _answered(self.tenant, "DELETE", f"{self.root}/{noun}s/{key}")
            eventually(lambda noun=noun: not self.all(noun), f"no {noun} is left", SETTLED_WITHIN_S)


@pytest.mark.parametrize("seed", SEEDS)
def test_volumes_end_in_order(cloud: Cloud, tenant: Tenant, seed: int) -> None:
    dice = random.Random(seed)
    shelf = Shelf(tenant, dice)
    with killing(cloud, seed) as killer:
        for _ in range(STEPS):
            shelf.act()
            time.sleep(dice.uniform(0, 0.2))
    told = killer.told
    eventually(shelf.settled, f"all is settled; {told}", SETTLED_WITHIN_S)
    assert not [key for noun in NOUNS for key, status in shelf.all(noun).items() if status == "error"], told
    shelf.clear()
    await_order(cloud, ("volume_disks", "volume_backups", "assignments", "claims"), told)
    used = cloud.rows(
        "SELECT resource, used FROM quota_usage WHERE used <> 0 AND resource IN "
        "('volumes', 'gigabytes', 'snapshots', 'backups', 'backup_gigabytes') LIMIT 5"
    )
    assert not list(used), told
