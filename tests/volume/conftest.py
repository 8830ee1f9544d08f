"""A host with room, and what its agent would say."""

from dataclasses import dataclass

import pytest

from tests.conftest import make_caller
from volutus import placement, volume
from volutus.placement.inventory import Overcommit
from volutus.reconcile import Worker
from volutus.wire import DiskObserved, HostFacts


def facts(name: str, disk_gib: int = 500) -> HostFacts:
    return HostFacts(
        hostname=name,
        cores=4,
        mhz_per_core=2500,
        memory_mib=8192,
        disk_gib=disk_gib,
        accelerator="tcg",
        hypervisor_version=7002000,
        agent_version="0.1.0",
        chassis=name,
        address="192.0.2.1",
    )


@dataclass
class Agent:
    """Stands for one host: reads its document and reports; nothing is done on any machine."""

    database: object
    host_id: str

    def desired(self, kind="disk"):
        with self.database.begin() as tx:
            found = placement.desired(tx, self.host_id, 0).assignments
        return {one.key: one for one in found if one.kind == kind}

    def work(self, only=None):
        """Make and remove everything that is ordered."""
        observed, gone = [], []
        for key, one in self.desired().items():
            if only is not None and key not in only:
                continue
            if one.tombstone:
                gone.append(key)
            else:
                observed.append(made(key, one.spec.size_bytes, one.generation, one.spec.revision))
        self.report(observed, gone)

    def report(self, observed=(), gone=()):
        with self.database.begin() as tx:
            return volume.record_observed(tx, self.host_id, list(observed), list(gone))


def made(disk_id, size_bytes, generation=1, revision=0):
    return DiskObserved(
        id=disk_id,
        generation=generation,
        ready=True,
        size_bytes=size_bytes,
        allocated_bytes=4096,
        revision=revision,
    )


def broken(disk_id, fault):
    return DiskObserved(id=disk_id, generation=1, ready=False, fault=fault, fault_detail="errno 28")


def add_host(database, name, disk_gib=500, zone="nova"):
    with database.begin() as tx:
        host_id = placement.hosts.register(tx, name, zone)
        placement.hosts.record_facts(tx, host_id, facts(name, disk_gib), Overcommit())
    return Agent(database, host_id)


@pytest.fixture
def agent(database):
    return add_host(database, "host-1")


@pytest.fixture
def worker(database):
    return Worker(database, [volume.VolumeReconciler(database)])


@pytest.fixture
def settle(worker, agent):
    """Converge until nothing is due, with a host that does all it is told."""

    def run():
        for _ in range(4):
            worker.drain()
            agent.work()
        worker.drain()

    return run


@pytest.fixture
def admin():
    return make_caller(role="admin", user="admin")
