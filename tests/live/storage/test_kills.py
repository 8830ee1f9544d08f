"""`kill -9` of the cloud's processes while a guest writes and its volume is plugged in, copied in all ways,
grown and taken out. `WRITER_SEEDS=17 pytest tests/live/storage` runs one seed, `WRITER_SEEDS=0-9` many."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live import machine as machines
from tests.live.machine import Machine
from tests.live.network.cloud import Cloud, Tenant, wait_for
from tests.live.storage import writer
from tests.live.storage.writer import Console
from volutus.supervise import control

pytestmark = pytest.mark.live

# Each so often at most: one that dies again and again is started later each time, and tries nothing new.
KILLED = ("agent", "reconcile", "api-1", "agents") * 3
GIB = 1 << 30
# Where the host keeps disks, copies on their way and backups.
FILES = ("disks", "captures", "backups")
# Leases of a killed reconciler last 15 s, and a process that died often is started again later each time.
SETTLED_WITHIN_S = 90.0
BOOTED_WITHIN_S = 180.0
LEFT = """
    SELECT 'disk', id FROM volume_disks WHERE NOT EXISTS (SELECT 1 FROM volumes v
        WHERE v.id = volume_disks.id AND v.server_id IS NOT NULL)
    UNION ALL SELECT 'backup', id FROM volume_backups
    UNION ALL SELECT 'attachment', id FROM volume_attachments
    UNION ALL SELECT 'upload', image_id FROM volume_uploads
    UNION ALL SELECT 'claim', consumer_id FROM claims
        WHERE consumer_id NOT IN (SELECT server_id FROM guests)
    UNION ALL SELECT 'quota', resource FROM quota_usage
        WHERE used <> 0 AND (resource ~ '^(volumes|snapshots|gigabytes|backups|backup_gigabytes)')
    UNION ALL SELECT kind, key FROM assignments WHERE tombstone OR kind IN ('backup', 'upload') LIMIT 20
"""


def _seeds() -> list[int]:
    first, _, last = os.environ.get("WRITER_SEEDS", "3").partition("-")
    return list(range(int(first), int(last or first) + 1))


class Plane:
    """The cloud with one server in which the writer waits, and what its tenant does as an impatient client:
    asked again after no answer, unless what was asked for is there."""

    def __init__(self, machine: Machine, cloud: Cloud) -> None:
        self.machine, self.cloud = machine, cloud
        self.tenant: Tenant = cloud.sign_in()[0]
        self.agent_dir = machine.state_dir / "agent"
        network = self.tenant.get("/network/v2.0/networks", name="private")[0]
        self.volumes = f"/volume/v3/{network['project_id']}"
        image = self.tenant.get("/image/v2/images", name="micro")
        order = {"name": "writer", "flavorRef": "c1", "networks": "none", "imageRef": _first(image)["id"]}
        order["user_data"] = b64encode(writer.USER_DATA.encode()).decode()
        headers = {"X-OpenStack-Nova-API-Version": "2.60"}
        tenant = Tenant(cloud, self.tenant.headers | headers)
        answer = tenant.call("POST", "/compute/v2.1/servers", {"server": order})
        assert answer.status_code == 202, answer.text
        self.server = f"/compute/v2.1/servers/{answer.json()['server']['id']}"
        log = wait_for(lambda: next(self.agent_dir.rglob("console.log"), None), "the guest", SETTLED_WITHIN_S)
        self.console = Console(log)
        wait_for(self.console.waits, "the writer", BOOTED_WITHIN_S)

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response | None:
        """The answer; None when nobody knows what came of it."""
        headers = self.tenant.headers | {"OpenStack-API-Version": "volume 3.60"}
        with suppress(httpx.TransportError):
            answer = self.cloud.request(method, path, body, headers, {})
            if answer.status_code < 500:
                return answer
        time.sleep(0.2)
        return None

    def get(self, path: str) -> dict[str, Any] | None:
        """What there is; None when there is nothing."""
        while (answer := self.ask("GET", path)) is None:
            pass
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = next(iter(answer.json().values()))
        return found

    def make(self, nouns: str, name: str, **body: Any) -> str:
        """A volume, a snapshot or a backup; its id."""
        path, noun = f"{self.volumes}/{nouns}", nouns.removesuffix("s")
        while True:
            answer = self.ask("POST", path, {noun: {"name": name, **body}})
            if answer is not None:
                assert answer.status_code in (200, 202), answer.text
                return str(answer.json()[noun]["id"])
            known: Any = self.get(f"{path}?name={name}")
            if known:
                return str(known[0]["id"])

    def is_(self, path: str, *statuses: str) -> bool:
        """Whether it has come to that; never to an error."""
        status = (self.get(f"{self.volumes}/{path}") or {"status": "gone"})["status"]
        assert not status.startswith("error"), (path, status)
        return status in statuses

    def becomes(self, path: str, *statuses: str) -> None:
        wait_for(lambda: self.is_(path, *statuses), f"{path} is {statuses}", SETTLED_WITHIN_S)

    def remove(self, path: str) -> None:
        while (answer := self.ask("DELETE", f"{self.volumes}/{path}")) is None or answer.status_code == 400:
            pass
        assert answer.status_code in (202, 204, 404), answer.text

    def attach(self, volume_id: str) -> None:
        body = {"volumeAttachment": {"volumeId": volume_id}}
        while (answer := self.ask("POST", f"{self.server}/os-volume_attachments", body)) is None:
            if not self.is_(f"volumes/{volume_id}", "available"):
                break
        assert answer is None or answer.status_code in (200, 400), answer.text
        self.becomes(f"volumes/{volume_id}", "in-use")

    def detach(self, volume_id: str) -> None:
        while self.ask("DELETE", f"{self.server}/os-volume_attachments/{volume_id}") is None:
            pass
        self.becomes(f"volumes/{volume_id}", "available")

    def extend(self, volume_id: str) -> None:
        body = {"os-extend": {"new_size": 2}}
        while (answer := self.ask("POST", f"{self.volumes}/volumes/{volume_id}/action", body)) is None:
            if (self.get(f"{self.volumes}/volumes/{volume_id}") or {})["size"] == 2:
                break
        assert answer is None or answer.status_code in (202, 400), answer.text
        self.becomes(f"volumes/{volume_id}", "in-use")
        assert (self.get(f"{self.volumes}/volumes/{volume_id}") or {})["size"] == 2

    def download(self, snapshot_id: str, target: Path) -> None:
        """The snapshot's bytes, gone on with where an interruption left them."""
        path = f"{self.volumes}/snapshots/{snapshot_id}/raw"
        url, token = f"http://127.0.0.1:8780{path}", self.tenant.headers["X-Auth-Token"]
        command = ["curl", "-sS", "-f", "-C", "-", "-H", f"X-Auth-Token: {token}", "-o", str(target), url]
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while not target.exists() or target.stat().st_size < 2 * GIB:
            subprocess.run(["nsenter", f"--net={self.cloud.namespace}", *command], check=False, timeout=90)
            assert time.monotonic() < deadline, "the download"

    def disk(self, disk_id: str) -> Path:
        """Its file on the host."""
        (found,) = (self.agent_dir / "disks").glob(f"{disk_id}.*")
        return found

    def pid(self, name: str) -> int | None:
        """A child of the supervisor's, while it runs."""
        answer = control.ask(self.cloud.settings.run_dir, {"command": "status"})
        found: int | None = next(one["pid"] for one in answer["children"] if one["name"] == name)
        return found

    def left(self) -> list[Any]:
        """What should be gone: rows, and files beside the server's own disks and the cached images."""
        socket = self.machine.state_dir / "run"
        command = ["psql", "-h", str(socket), "-U", "volutus", "-d", "volutus", "-Atc"]
        found = self.machine.run(*command, LEFT).splitlines()
        own = self.machine.run(*command, "SELECT id FROM volumes").split()
        files = [
            path for name in ("disks", "captures", "backups") for path in (self.agent_dir / name).rglob("*")
        ]
        return found + [path.name for path in files if path.is_file() and path.name.split(".")[0] not in own]


def _first(found: Any) -> Any:
    return found[0] if isinstance(found, list) else found


class Fate:
    """What the seed has in store; `told` is what came of it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.told = [f"seed {seed}"]
        self.killed = iter(self.dice.sample(KILLED, len(KILLED)))


@contextmanager
def kills(plane: Plane, fate: Fate) -> Iterator[None]:
    """The next process is killed at a moment soon after the block was entered."""
    name, after_s = next(fate.killed), fate.dice.uniform(0.0, 0.7)

    def kill() -> None:
        time.sleep(after_s)
        if pid := plane.pid(name):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            fate.told.append(f"{name} after {after_s:.2f} s")

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        killer.join()


@pytest.fixture(scope="module")
def plane() -> Iterator[Plane]:
    machine = machines.make()
    machine.volutus("up", "--detach")
    cloud = Cloud(machine.state_dir, f"/proc/{machine.holder.pid}/ns/net", machine.name, machine.directory)
    try:
        yield Plane(machine, cloud)
    finally:
        cloud.close()
        machine.volutus("destroy")
        machine.close()


@pytest.mark.parametrize("seed", _seeds())
def test_all_that_was_told_is_there(plane: Plane, tmp_path: Path, seed: int) -> None:
    fate = Fate(seed)
    try:
        _history(plane, tmp_path, fate)
    finally:
        # Shown where the test fails, or with `-s`: what was killed, and what each copy holds.
        sys.stdout.write("\n  ".join(fate.told) + "\n")


def test_what_a_guest_was_told_outlives_its_qemu(plane: Plane, tmp_path: Path) -> None:
    """The last one: nobody writes afterwards."""
    volume_id = plane.make("volumes", "data", size=1)
    plane.becomes(f"volumes/{volume_id}", "available")
    plane.attach(volume_id)
    wait_for(lambda: plane.console.durable(volume_id) > 20, "blocks", SETTLED_WITHIN_S)
    snapshot_id = plane.make("snapshots", "copy", volume_id=volume_id, force=True)
    pid_file = plane.machine.state_dir / "run" / "libvirt" / "qemu" / f"{plane.server.rpartition('/')[2]}.pid"
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    plane.becomes(f"snapshots/{snapshot_id}", "available")
    durable = plane.console.durable(volume_id)
    # The copy is begun anew of the disk as it is now, if it was not whole.
    assert 20 < writer.count(plane.disk(snapshot_id), volume_id, tmp_path) <= durable + 1
    plane.detach(volume_id)
    assert writer.count(plane.disk(volume_id), volume_id, tmp_path) in (durable, durable + 1)
    plane.remove(f"snapshots/{snapshot_id}")
    wait_for(lambda: _gone(plane, "snapshots", (snapshot_id,)), "the snapshot is gone", SETTLED_WITHIN_S)
    plane.remove(f"volumes/{volume_id}")
    wait_for(lambda: not plane.left(), "nothing is left", SETTLED_WITHIN_S)


def _history(plane: Plane, work: Path, fate: Fate) -> None:
    with kills(plane, fate):
        volume_id = plane.make("volumes", "data", size=1)
        plane.becomes(f"volumes/{volume_id}", "available")
    with kills(plane, fate):
        plane.attach(volume_id)
    wait_for(lambda: plane.console.durable(volume_id) > 5, "blocks", SETTLED_WITHIN_S)
    ways = {
        "snapshots": {"volume_id": volume_id, "force": True},
        "volumes": {"source_volid": volume_id, "size": 1},
        "backups": {"volume_id": volume_id, "force": True},
    }
    made: dict[str, str] = {}
    for nouns in fate.dice.sample(sorted(ways), len(ways)):
        made[nouns] = _copied(plane, fate, volume_id, (nouns, ways[nouns], work))
    with kills(plane, fate):
        plane.extend(volume_id)
    late = _copied(plane, fate, volume_id, ("snapshots", {"volume_id": volume_id, "force": True}, work))
    with kills(plane, fate):
        plane.download(late, work / "download")
    assert writer.count_raw(work / "download", volume_id) == writer.count(plane.disk(late), volume_id, work)
    (work / "download").unlink()
    with kills(plane, fate):
        plane.detach(volume_id)
    durable = plane.console.durable(volume_id)
    there = writer.count(plane.disk(volume_id), volume_id, work)
    fate.told.append(f"at last: {durable} <= {there}")
    assert there in (durable, durable + 1)
    with kills(plane, fate):
        for nouns, made_id in (*made.items(), ("snapshots", late)):
            plane.remove(f"{nouns}/{made_id}")
        wait_for(
            lambda: _gone(plane, "snapshots", (made["snapshots"], late)), "all are gone", SETTLED_WITHIN_S
        )
        plane.remove(f"volumes/{volume_id}")
    wait_for(lambda: not plane.left(), "nothing is left", SETTLED_WITHIN_S)


def _copied(plane: Plane, fate: Fate, volume_id: str, way: tuple[str, dict[str, Any], Path]) -> str:
    """A copy made while a process is killed holds what was written up to one moment while it was made."""
    nouns, body, work = way
    before = plane.console.durable(volume_id)
    with kills(plane, fate):
        made_id = plane.make(nouns, f"copy-{fate.dice.randrange(1 << 30)}", **body)
        plane.becomes(f"{nouns}/{made_id}", "available")
    after = plane.console.durable(volume_id)
    holder = made_id
    if nouns == "backups":
        answer = None
        while answer is None or answer.status_code >= 300:
            answer = plane.ask(
                "POST", f"{plane.volumes}/backups/{made_id}/restore", {"restore": {"name": "r"}}
            )
        holder = answer.json()["restore"]["volume_id"]
        plane.becomes(f"volumes/{holder}", "available")
        plane.becomes(f"backups/{made_id}", "available")
    found = writer.count(plane.disk(holder), volume_id, work)
    fate.told.append(f"{nouns}: {before} <= {found} <= {after}")
    # One block may be written and not yet told.
    assert before <= found <= after + 1
    if holder != made_id:
        plane.remove(f"volumes/{holder}")
    return made_id


def _gone(plane: Plane, nouns: str, ids: tuple[str, ...]) -> bool:
    return all(plane.get(f"{plane.volumes}/{nouns}/{one}") is None for one in ids)
