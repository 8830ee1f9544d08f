"""The control plane as one object for tests: its reconcilers, its hosts, and a project with a network."""

from dataclasses import dataclass, field

from sqlalchemy import text

from tests.compute.hosts import SimpleHost, add_host
from volutus import compute, volume
from volutus.compute import Server, ServerOrder
from volutus.db import Database, Tx
from volutus.identity import Caller
from volutus.network import networks, subnets
from volutus.network.networks import NetworkOrder
from volutus.network.subnets import SubnetOrder
from volutus.reconcile import Reconciler, Worker

_IMAGE = text(
    """
    INSERT INTO images (id, owner, name, visibility, protected, hidden, disk_format, container_format,
        min_disk_gib, min_ram_mib, tags, properties, created_at, updated_at, activated_at, size_bytes,
        virtual_size_bytes, md5, sha256, sha512)
    VALUES (:id, 'admin', :id, 'public', false, false, 'qcow2', 'bare', :min_disk_gib, 0, '{}', '{}', :now,
        :now, :now, 1000000, 130000000, 'm', 's', 'x')
    """
)
# Rounds of everybody working until nothing moves; a plane that needs more does not settle.
ROUNDS = 8


def add_image(tx: Tx, image_id: str = "micro", min_disk_gib: int = 0) -> str:
    tx.execute(_IMAGE, {"id": image_id, "min_disk_gib": min_disk_gib, "now": tx.now})
    return image_id


def add_network(tx: Tx, caller: Caller, name: str = "private", cidr: str = "10.0.0.0/24") -> str:
    project_id = caller.own_project()
    made = networks.create(tx, caller, NetworkOrder(project_id=project_id, name=name))
    subnets.create(tx, caller, SubnetOrder(project_id=project_id, network_id=made.id, cidr=cidr))
    return made.id


class WritingNetwork:
    """Stands for the network's reconcilers: everything wanted is written at once."""

    kind = "port"
    batch = 100

    def __init__(self, database: Database) -> None:
        self._database = database

    def step(self, items):
        from volutus.reconcile import Done, wake_many

        with self._database.begin() as tx:
            tx.execute(text("UPDATE network_units SET written = wanted"))
            tx.execute(text("DELETE FROM network_units WHERE deleted_at IS NOT NULL"))
            ids = [item.key for item in items]
            rows = tx.rows(text("SELECT device_id FROM ports WHERE id = ANY(:ids) LIMIT 1000"), {"ids": ids})
            wake_many(tx, "server", [row.device_id for row in rows if row.device_id])
        return {item.key: Done() for item in items}

    def scan(self, tx):
        return []


@dataclass
class Plane:
    """`settle` lets everybody work until nothing moves."""

    database: Database
    clock: object
    caller: Caller
    hosts: list[SimpleHost] = field(default_factory=list)

    def reconcilers(self) -> list[Reconciler]:
        return [
            volume.VolumeReconciler(self.database),
            volume.UploadReconciler(self.database),
            WritingNetwork(self.database),
            compute.ServerReconciler(self.database),
        ]

    @property
    def worker(self) -> Worker:
        return Worker(self.database, self.reconcilers())

    def add_host(self, name: str, **size: int) -> SimpleHost:
        host = add_host(self.database, name, **size)
        self.hosts.append(host)
        return host

    def settle(self) -> None:
        for _ in range(ROUNDS):
            self.worker.drain()
            for host in self.hosts:
                host.work()
            self.clock.advance(1)
        self.worker.drain()

    def order(self, name: str = "one", **order) -> Server:
        wanted = ServerOrder(**{"name": name, "flavor_id": "c1", "image_id": "micro", **order})
        with self.database.begin() as tx:
            return compute.orders.create(tx, self.caller, wanted)[0]

    def create(self, name: str = "one", **order) -> Server:
        made = self.order(name, **order)
        self.settle()
        return self.get(made.id)

    def get(self, server_id: str) -> Server:
        with self.database.read() as tx:
            return compute.servers.get(tx, self.caller, server_id, deleted=True)

    def status(self, server_id: str) -> str:
        return self.get(server_id).status.name

    def act(self, verb, server_id: str, **arguments) -> None:
        with self.database.begin() as tx:
            verb(tx, self.caller, server_id, **arguments)
