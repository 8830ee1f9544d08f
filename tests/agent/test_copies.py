"""Copies of disks on a simulated host: open ones by the guest that has them, and those that become images."""

import pytest

from tests.agent.world import GIB, World
from volutus.agent.actions import CreateDisk
from volutus.agent.converge import DISK, GUEST, UPLOAD
from volutus.agent.state import CaptureState
from volutus.wire import DiskSource, DiskSpec, GuestState, Power, UploadObserved


def test_a_copy_of_an_open_disk_is_made_by_the_guest_that_has_it() -> None:
    world = World()
    guest_id = world.make_guest()
    source = world.spec(guest_id).disks[0].disk_id
    world.settle()
    world.order(DISK, "copy", DiskSpec(id="copy", size_bytes=GIB, source=DiskSource(disk_id=source)))
    world.deliver()
    (action,) = world.host.look(world.now).actions
    assert isinstance(action, CreateDisk) and action.guest_id == guest_id
    world.settle()
    assert "copy" in world.storage.disks() and world.state(guest_id) is GuestState.RUNNING


def test_a_stranger_is_not_asked_for_a_copy() -> None:
    world = World()
    guest_id = world.make_guest()
    source = world.spec(guest_id).disks[0].disk_id
    world.settle()
    del world.orders[(GUEST, guest_id)]
    world.order(DISK, "copy", DiskSpec(id="copy", size_bytes=GIB, source=DiskSource(disk_id=source)))
    world.restart_agent()
    world.settle()
    assert "copy" not in world.storage.disks()
    world.hypervisor.stop_inside(guest_id)
    world.settle()
    assert "copy" in world.storage.disks()


@pytest.mark.parametrize("power", list(Power))
def test_an_upload_is_sent_once_and_leaves_nothing(power: Power) -> None:
    world = World()
    guest_id = world.make_guest(power=power)
    world.settle()
    image_id = world.make_upload(world.spec(guest_id).disks[0].disk_id)
    world.settle()
    world.restart_agent()
    world.settle()
    assert world.sent == [image_id]
    assert world.storage.captures() == {image_id: CaptureState.SENT}
    world.order(UPLOAD, image_id, None, tombstone=True)
    world.settle()
    assert world.storage.captures() == {} and (UPLOAD, image_id) not in world.orders


def test_an_upload_cut_off_sends_the_same_copy_again() -> None:
    world = World()
    disk_id = world.make_disk()
    world.settle()
    image_id = world.make_upload(disk_id)
    world.deliver()
    world.step(limit=1)
    assert world.storage.captures() == {image_id: CaptureState.MADE}
    world.order(DISK, disk_id, None, tombstone=True)
    world.restart_agent()
    world.settle()
    assert world.sent == [image_id] and world.storage.disks() == {}


def test_an_upload_that_does_not_succeed_says_why() -> None:
    world = World()
    disk_id = world.make_disk()
    world.settle()
    image_id = world.make_upload(disk_id)
    world.trouble_rate = 1.0
    world.deliver()
    for _ in range(10):
        world.step()
        world.now += 10
    said = world.host.said()[(UPLOAD, image_id)]
    assert isinstance(said, UploadObserved) and said.fault == "Bad luck." and not said.captured
