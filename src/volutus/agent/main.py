"""Builds the agent from its configuration and runs it; and what the supervisor asks of a host besides.

`run` is one real host until SIGTERM. `stop_guests` is for the end of a cloud's run, `kill_guests` and
`clean_up` for its very end. `run_simulated` pretends to be many hosts, `serve_iscsi` becomes what serves
disks to the outside.
"""

import contextlib
import functools
import logging
import os
import resource
import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import volutus.agent
from volutus.agent import config as configuration
from volutus.agent import devices, enrolment, facts
from volutus.agent.config import AgentConfig
from volutus.agent.connection import SEND_TIMEOUT_S, Channel, tls_context
from volutus.agent.faults import HostFault
from volutus.agent.host import Drivers, Host
from volutus.agent.hypervisor.domain_xml import Machine
from volutus.agent.hypervisor.guest_files import GuestFiles
from volutus.agent.hypervisor.libvirt_driver import LibvirtAccess, LibvirtHypervisor
from volutus.agent.hypervisor.pidwatch import PidWatch
from volutus.agent.iscsi import service
from volutus.agent.iscsi.exports import TgtExports
from volutus.agent.network.ovs import OvsAccess, OvsNetwork
from volutus.agent.records import FileRecords
from volutus.agent.runner import Parts, Runner
from volutus.agent.state import Record
from volutus.agent.storage.ceph import Ceph
from volutus.agent.storage.host_storage import HostStorage, Options
from volutus.wire import HostFacts

log = logging.getLogger(__name__)

STOP_POLL_S = 0.5


def run(path: Path) -> None:
    """Look after this host until SIGTERM or SIGINT. Guests run on."""
    config = configuration.load(path)
    logging.basicConfig(level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    enrolment.ensure(config)
    runner = build(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stop())
    log.info("looking after this host")
    runner.run()


def run_simulated(path: Path, count: int) -> None:
    """Pretend to be `count` hosts until SIGTERM. Each enrols once, by a line of its own in the file
    `join-tokens` of the agent's directory, and keeps its identity in `simulated/NUMBER`. With
    `trusted_host_id` set to anything they are known by a header and not by their certificates."""
    from volutus.agent import simulated
    from volutus.agent.simulated_wire import Identity, Origin

    config = configuration.load(path)
    logging.basicConfig(level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    # Each host has a connection of its own.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    identities = []
    for number in range(count):
        one = enrolment.ensure_simulated(config, number)
        tls = None if config.trusted_host_id else tls_context(one)
        identities.append(Identity(enrolment.host_id(one), tls))
    simulation = simulated.Simulation(
        Origin(config.control_plane), identities, heartbeat_s=config.heartbeat_s
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    simulated.run_simulated(simulation)


def build(config: AgentConfig) -> Runner:
    """The runner with the real drivers."""
    processor = facts.processor(config)
    hints: list[Runner] = []

    def hint() -> None:
        if hints:
            hints[0].hint()

    watch = PidWatch(hint)
    hypervisor = _hypervisor(config, processor, watch)
    options = Options(
        pools=config.pool_names,
        keys=lambda disk_id: Channel(config).key(disk_id),
        backups=config.backup_dir,
        ceph=_ceph(config),
    )
    storage = HostStorage(config.state_dir, config.qemu_user, options)
    access = OvsAccess(config.ovs_database, config.bridge, config.instance)
    network = OvsNetwork(access, hint, lambda guest_id, told: Channel(config).guest_password(guest_id, told))
    drivers = Drivers(
        hypervisor=hypervisor,
        storage=storage,
        network=network,
        exports=TgtExports(
            config.state_dir,
            config.qemu_user,
            lambda export_id: Channel(config).export_secret(export_id),
            PidWatch(hint),
        ),
        records=_records(config),
        fetch=lambda image_id: Channel(config).image(image_id),
        send=lambda image_id, path: Channel(config, SEND_TIMEOUT_S).send_image(image_id, path),
    )
    host = Host(drivers, facts.boot_id(), functools.partial(datetime.now, UTC))

    def measure() -> HostFacts:
        changing = facts.Changing(
            storage.pools(), storage.own_rooms(), hypervisor.version(), network.chassis()
        )
        return facts.host_facts(config, processor, changing)

    runner = Runner(
        config, Parts(host, hypervisor, measure, storage.tidy, storage.read), processor.accelerator
    )
    hints.append(runner)
    return runner


def stop_guests(path: Path, timeout_s: float = 30.0) -> None:
    """Stop all guests of this cloud's libvirtd, asking first, and remember that they are to run again when
    the agent is back. The agent must not run meanwhile; libvirtd must."""
    config = configuration.load(path)
    hypervisor = _hypervisor(config, facts.processor(config), None)
    records = _records(config)
    known = records.load()
    running = _alive(hypervisor)
    for guest_id in running:
        if guest_id in known:
            records.save(guest_id, _stopped_by_us(known[guest_id]))
        with contextlib.suppress(HostFault):
            hypervisor.ask_shutdown(guest_id)
    deadline = time.monotonic() + timeout_s
    while (running := _alive(hypervisor)) and time.monotonic() < deadline:
        time.sleep(STOP_POLL_S)
    for guest_id in running:
        hypervisor.kill(guest_id)
    hypervisor.close()


def kill_guests(path: Path) -> None:
    """End all guests of this cloud's libvirtd as if their power failed. The agent must not run meanwhile;
    libvirtd must."""
    config = configuration.load(path)
    hypervisor = _hypervisor(config, facts.processor(config), None)
    for guest_id in _alive(hypervisor):
        hypervisor.kill(guest_id)
    hypervisor.close()


def clean_up(path: Path) -> None:
    """Remove every tap, switch port and namespace of this cloud. No guest may run any more; the switch's
    database may be gone already."""
    config = configuration.load(path)
    network = OvsNetwork(OvsAccess(config.ovs_database, config.bridge, config.instance))
    network.remove_all()
    network.close()


def serve_iscsi(path: Path) -> None:
    """Become this host's iSCSI service."""
    found = str(Path(volutus.agent.__file__).parent.parent.parent)
    command = service.command(path)
    os.execvpe(command[0], command, os.environ | {"PYTHONPATH": found})  # noqa: S606 (no shell is wanted)


def _hypervisor(config: AgentConfig, known: facts.Processor, watch: PidWatch | None) -> LibvirtHypervisor:
    machine = Machine(
        accelerator=known.accelerator,
        host_mhz=known.mhz_per_core,
        offloads=config.datapath_type != "netdev",
        devices=devices.scan(devices.parse(config.pci_devices)),
    )
    files = GuestFiles(config.state_dir, config.guest_view, config.qemu_user)
    access = LibvirtAccess(config.libvirt_uri, config.pid_dir, config.pool_views)
    return LibvirtHypervisor(access, machine, files, watch)


def _ceph(config: AgentConfig) -> Ceph | None:
    if not config.rbd_pools:
        return None
    host_id = config.trusted_host_id or enrolment.host_id(config)
    return Ceph(config.ceph_pools, config.ceph_conf, config.ceph_keyring, config.ceph_user, host_id)


def _records(config: AgentConfig) -> FileRecords:
    return FileRecords(config.state_dir / "records")


def _alive(hypervisor: LibvirtHypervisor) -> list[str]:
    return [guest_id for guest_id, guest in hypervisor.guests().items() if guest.alive]


def _stopped_by_us(record: Record) -> Record:
    return replace(record, ran=False, asked_at=None)
