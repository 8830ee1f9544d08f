"""Simulated hosts against a control plane of one file, over real HTTP."""

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator

import pytest

from tests.agent.control_plane import ControlPlane
from tests.agent.world import GIB, guest, nic
from volutus.agent.simulated import SimulatedHosts, Simulation
from volutus.agent.simulated_wire import Identity, Origin
from volutus.wire import DiskSpec, Gone, GuestDisk, GuestState


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    served = ControlPlane()
    yield served
    served.close()


class Running:
    """A simulation in a thread of its own."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def _run(self) -> None:
        self.hosts = SimulatedHosts(self._simulation)
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._ready.set()
        try:
            await self.hosts.run()
        except asyncio.CancelledError:
            return

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def running(plane: ControlPlane) -> Iterator[Running]:
    identities = [Identity("host-a")]
    made = Running(Simulation(Origin(plane.url), identities, heartbeat_s=0.5, poll_wait_s=2))
    yield made
    made.stop()


def test_a_guest_runs_and_goes(plane: ControlPlane, running: Running) -> None:
    disk_id, guest_id = str(uuid.uuid4()), str(uuid.uuid4())
    plane.order(DiskSpec(id=disk_id, size_bytes=GIB))
    order = plane.order(guest(guest_id, disks=[GuestDisk(disk_id=disk_id, target="vda")], nics=[nic(5)]))

    def runs() -> bool:
        seen = plane.guest(guest_id)
        return seen is not None and seen.state is GuestState.RUNNING and seen.generation == order.generation

    plane.wait_for("running", runs)
    assert plane.facts is not None and plane.facts.cores == 64
    plane.order(None, tombstone=("guest", guest_id))
    plane.order(None, tombstone=("disk", disk_id))
    for key in (("guest", guest_id), ("disk", disk_id)):
        plane.wait_for("gone", lambda key=key: isinstance(plane.items.get(key), Gone))


def test_it_beats_and_survives_an_absence(plane: ControlPlane, running: Running) -> None:
    plane.wait_for("beats", lambda: plane.reports >= 3)
    plane.away = True
    time.sleep(1.0)
    plane.away = False
    before = plane.reports
    disk_id = str(uuid.uuid4())
    plane.order(DiskSpec(id=disk_id, size_bytes=GIB))
    plane.wait_for("the disk", lambda: ("disk", disk_id) in plane.items)
    assert plane.reports > before
