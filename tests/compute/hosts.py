"""A host that does all it is told, at once and in memory: it reads its document and reports.

Stands for the agent where the agent itself is not what is tested; the same rules as the agent's own: a guest
that stopped by itself stays stopped until a newer order, tombstones end in `Gone`.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from volutus import compute, image, placement, volume
from volutus.db import Database
from volutus.errors import NotFound
from volutus.image.store import Sums
from volutus.wire import (
    Assignment,
    DiskObserved,
    DiskSpec,
    Gone,
    GuestObserved,
    GuestSpec,
    GuestState,
    HostFacts,
    Observed,
    Power,
    UploadObserved,
    UploadSpec,
)


def facts(
    name: str,
    *,
    cores: int = 8,
    memory_mib: int = 16384,
    disk_gib: int = 500,
    resources: dict[str, int] | None = None,
) -> HostFacts:
    return HostFacts(
        hostname=name,
        cores=cores,
        mhz_per_core=2500,
        memory_mib=memory_mib,
        disk_gib=disk_gib,
        accelerator="tcg",
        hypervisor_version=7002000,
        agent_version="0.1.0",
        chassis=name,
        address="192.0.2.1",
        resources=resources or {},
    )


@dataclass
class SimpleGuest:
    spec: GuestSpec
    generation: int
    state: GuestState = GuestState.PENDING
    soft_done: int = 0
    hard_done: int = 0
    halted_at: int | None = None
    fault: str | None = None


@dataclass
class SimpleHost:
    """`work` takes one look at the document, obeys, and reports what changed."""

    database: Database
    host_id: str
    name: str
    seen: int = 0
    orders: dict[tuple[str, str], Assignment] = field(default_factory=dict)
    guests: dict[str, SimpleGuest] = field(default_factory=dict)
    disks: dict[str, DiskSpec] = field(default_factory=dict)
    unable: str | None = None
    uploads: dict[str, UploadSpec] = field(default_factory=dict)
    sends: bool = True
    cannot_send: str | None = None

    def look(self) -> None:
        """Take the orders that are new."""
        with self.database.begin() as tx:
            found = placement.desired(tx, self.host_id, self.seen)
        if found.full:
            self.orders = {}
        for order in found.assignments:
            self.orders[order.kind, order.key] = order
        self.seen = found.generation

    def obey(self) -> Observed:
        """Carry out all orders; the report of everything."""
        gone: list[Gone] = []
        for (kind, key), order in list(self.orders.items()):
            if order.tombstone:
                {"guest": self.guests, "disk": self.disks, "upload": self.uploads}[kind].pop(key, None)
                gone.append(Gone(what=kind, id=key))
                del self.orders[kind, key]
            elif isinstance(order.spec, DiskSpec):
                self.disks[key] = order.spec
            elif isinstance(order.spec, UploadSpec):
                self.uploads[key] = order.spec
            elif isinstance(order.spec, GuestSpec):
                self._obey_guest(key, order.generation, order.spec)
        items = [*gone, *map(self._disk, self.disks.values()), *map(self._guest, self.guests.values())]
        items += map(self._upload, self.uploads)
        return Observed(seen=self.seen, full=True, items=items)

    def report(self, observed: Observed) -> None:
        """Send a report."""
        with self.database.begin() as tx:
            compute.report(tx, self.host_id, observed)

    def work(self) -> None:
        """One turn."""
        self.look()
        self.report(self.obey())
        for image_id in list(self.uploads) if self.sends and not self.cannot_send else []:
            with suppress(NotFound):
                send_image(self.database, self.host_id, image_id)

    def halt(self, server_id: str, state: GuestState = GuestState.STOPPED) -> None:
        """The guest stops by its own doing."""
        guest = self.guests[server_id]
        guest.state, guest.halted_at = state, guest.generation

    def _obey_guest(self, key: str, generation: int, spec: GuestSpec) -> None:
        guest = self.guests.setdefault(key, SimpleGuest(spec, generation))
        rebooted = spec.hard_reboots > guest.hard_done or spec.soft_reboots > guest.soft_done
        guest.spec, guest.generation = spec, generation
        if self.unable is not None:
            guest.state, guest.fault = GuestState.FAILED, self.unable
            return
        guest.fault = None
        if spec.power is Power.OFF:
            guest.state, guest.halted_at = GuestState.STOPPED, None
            return
        stays_halted = guest.halted_at is not None and generation <= guest.halted_at and not rebooted
        if spec.power is Power.SUSPENDED:
            guest.state = GuestState.SUSPENDED
            return
        if spec.power is Power.PAUSED and not rebooted:
            if guest.state in (GuestState.RUNNING, GuestState.PAUSED):
                guest.state = GuestState.PAUSED
            return
        if not stays_halted and all(disk.disk_id in self.disks for disk in spec.disks):
            guest.state, guest.halted_at = GuestState.RUNNING, None
            guest.soft_done, guest.hard_done = spec.soft_reboots, spec.hard_reboots

    def _guest(self, guest: SimpleGuest) -> GuestObserved:
        alive = guest.state in (GuestState.RUNNING, GuestState.PAUSED)
        return GuestObserved(
            id=guest.spec.id,
            generation=guest.generation,
            state=guest.state,
            soft_reboots=guest.soft_done,
            hard_reboots=guest.hard_done,
            disks=[disk.disk_id for disk in guest.spec.disks] if alive else [],
            nics=[nic.port_id for nic in guest.spec.nics] if alive else [],
            fault=guest.fault,
        )

    def _upload(self, image_id: str) -> UploadObserved:
        generation = self.orders["upload", image_id].generation
        return UploadObserved(id=image_id, generation=generation, captured=True, fault=self.cannot_send)

    def _disk(self, spec: DiskSpec) -> DiskObserved:
        generation = self.orders["disk", spec.id].generation
        return DiskObserved(
            id=spec.id,
            generation=generation,
            ready=True,
            size_bytes=spec.size_bytes,
            revision=spec.revision,
        )


def send_image(database: Database, host_id: str, image_id: str) -> None:
    """What comes of a host's sending the bytes: the image is active, unless it was already."""
    with database.begin() as tx:
        caller = volume.uploads.sender(tx, host_id, image_id)
        if image.status_of(tx, image_id) == "active":
            return
        upload = image.data.begin(tx, caller, image_id, again=True)
        image.data.finish(tx, caller, upload, Sums(1000000, "m", "s"), 130000000)
        volume.uploads.arrived(tx, image_id)


def add_host(database: Database, name: str, *, zone: str = "nova", **size: int) -> SimpleHost:
    """A host that has enrolled and told what it has."""
    with database.begin() as tx:
        host_id = placement.hosts.register(tx, name, zone)
    host = SimpleHost(database, host_id, name)
    host.report(Observed(seen=0, full=True, facts=facts(name, **size)))
    with database.begin() as tx:
        compute.report(tx, host_id, Observed(seen=0, full=True, facts=facts(name, **size)))
    return host
