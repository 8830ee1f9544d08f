"""The agent on a real host: QEMU, libvirt, Open vSwitch and a control plane of one file."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.agent.control_plane import ControlPlane
from tests.agent.machine import Machine, machine
from volutus.wire import (
    DiskSource,
    DiskSpec,
    GuestDisk,
    GuestNic,
    GuestSpec,
    GuestState,
    MetadataPort,
    Power,
)

pytestmark = pytest.mark.machine

MIB = 1 << 20
IMAGES = Path(os.environ.get("VOLUTUS_TEST_IMAGES", "/nonexistent"))


def source(image: str, image_format: str) -> DiskSource:
    digest = hashlib.sha256((IMAGES / image).read_bytes()).hexdigest()
    return DiskSource(image_id=image, image_format=image_format, sha256=digest)


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    with machine() as made:
        made.start_switch()
        made.start_libvirtd()
        yield made


@pytest.fixture(scope="module")
def plane(host: Machine) -> Iterator[ControlPlane]:
    images = {name: IMAGES / name for name in ("micro.qcow2", "micro-vmlinuz", "micro-initrd")}
    served = ControlPlane(images, host.namespace)
    host.configure_agent(served.url)
    host.start_agent()
    yield served
    served.close()


def make_guest(plane: ControlPlane, **changes: object) -> GuestSpec:
    disk_id, guest_id, network_id = (str(uuid.uuid4()) for _ in range(3))
    plane.order(DiskSpec(id=disk_id, size_bytes=160 * MIB, source=source("micro.qcow2", "qcow2")))
    port = MetadataPort(port_id=str(uuid.uuid4()), mac="fa:16:3e:00:00:02", addresses=["10.0.0.2/24"])
    nic = GuestNic(
        port_id=str(uuid.uuid4()),
        network_id=network_id,
        mac="fa:16:3e:00:00:11",
        addresses=["10.0.0.11"],
        metadata=port,
    )
    spec = GuestSpec(
        id=guest_id,
        name="first",
        power=Power.ON,
        cores=1,
        mhz=100_000,
        memory_mib=192,
        disks=[GuestDisk(disk_id=disk_id, target="vda", serial=disk_id[:20])],
        nics=[nic],
        metadata={"openstack/latest/meta_data.json": f'{{"uuid": "{guest_id}", "hostname": "first.local"}}'},
        kernel_image=source("micro-vmlinuz", "aki"),
        ramdisk_image=source("micro-initrd", "ari"),
        kernel_command_line="root=LABEL=microroot console=ttyS0 quiet norandmaps",
    )
    spec = replace(spec, **changes)
    plane.order(spec)
    return spec


def is_state(plane: ControlPlane, guest_id: str, state: GuestState) -> bool:
    guest = plane.guest(guest_id)
    return guest is not None and guest.state is state


def test_a_guest_boots_and_is_reported(host: Machine, plane: ControlPlane) -> None:
    spec = make_guest(plane)
    plane.wait_for("running", lambda: is_state(plane, spec.id, GuestState.RUNNING))
    assert plane.facts is not None and plane.facts.chassis == "test-chassis"
    plane.wait_for("boot", lambda: b"firstboot done" in plane.consoles.get(spec.id, b""), 120)
    console = plane.consoles[spec.id].decode(errors="replace")
    assert "metadata configdrive applied" in console
    assert "root grown" in console
