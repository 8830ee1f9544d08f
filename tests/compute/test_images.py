"""Images made of servers and volumes: what their tenants see from the order to its end, good or bad."""

import pytest
from sqlalchemy import text

from volutus import compute, image, volume
from volutus.compute.faults import WrongState
from volutus.errors import NotFound
from volutus.image import ImageFields
from volutus.volume import VolumeOrder

FIELDS = ImageFields(name="copy", visibility="private", disk_format="raw", container_format="bare")


def make_image(plane, server_id: str) -> str:
    with plane.database.begin() as tx:
        return compute.images.create(tx, plane.caller, server_id, "copy", {"mine": "yes"}).id


def found(plane, image_id: str) -> image.Image:
    with plane.database.read() as tx:
        return image.get(tx, plane.caller, image_id)


def task(plane, server_id: str) -> str | None:
    return plane.get(server_id).status.task_state


def outcome(plane, server_id: str) -> tuple[bool, str | None]:
    """Whether the last createImage ended, and what was said of it."""
    sql = "SELECT finished_at, message FROM server_actions WHERE action = 'createImage' AND server_id = :id"
    with plane.database.read() as tx:
        row = tx.row(text(sql + " ORDER BY id DESC LIMIT 1"), {"id": server_id})
    return row.finished_at is not None, row.message


def left(plane) -> int:
    with plane.database.read() as tx:
        return tx.value(text("SELECT count(*) FROM volume_uploads"))


@pytest.mark.parametrize("off", [False, True])
def test_an_image_of_a_server_becomes_active(plane, off) -> None:
    server = plane.create()
    if off:
        plane.act(compute.actions.stop, server.id)
        plane.settle()
    plane.hosts[0].sends = False
    image_id = make_image(plane, server.id)
    assert found(plane, image_id).status == "queued" and task(plane, server.id) == "image_snapshot"
    plane.settle()
    assert task(plane, server.id) == "image_uploading" and outcome(plane, server.id) == (False, None)
    assert plane.status(server.id) == ("SHUTOFF" if off else "ACTIVE")
    plane.hosts[0].sends = True
    plane.settle()
    made = found(plane, image_id)
    assert made.status == "active" and made.visibility == "private"
    assert made.properties["instance_uuid"] == server.id and made.properties["mine"] == "yes"
    assert task(plane, server.id) is None and outcome(plane, server.id) == (True, None)
    plane.settle()
    assert left(plane) == 0 and plane.hosts[0].uploads == {}


def test_one_image_of_a_server_at_a_time(plane) -> None:
    server = plane.create()
    make_image(plane, server.id)
    with pytest.raises(WrongState, match="image_snapshot"):
        make_image(plane, server.id)
    plane.settle()
    make_image(plane, server.id)


def test_a_host_that_cannot_ends_the_image_with_a_cause(plane) -> None:
    server = plane.create()
    plane.hosts[0].cannot_send = "The host's disk pool is full."
    image_id = make_image(plane, server.id)
    plane.settle()
    assert task(plane, server.id) == "image_uploading"
    plane.clock.advance(100)
    plane.settle()
    with pytest.raises(NotFound):
        found(plane, image_id)
    assert outcome(plane, server.id) == (True, "The host's disk pool is full.")
    assert task(plane, server.id) is None and plane.status(server.id) == "ACTIVE"
    plane.settle()
    assert left(plane) == 0


def test_a_silent_host_ends_the_image_in_time(plane) -> None:
    server = plane.create()
    host = plane.hosts.pop()
    image_id = make_image(plane, server.id)
    plane.settle()
    plane.clock.advance(2 * 3600)
    plane.settle()
    with pytest.raises(NotFound):
        found(plane, image_id)
    assert outcome(plane, server.id) == (True, "The host did not send the image in time.")
    plane.hosts.append(host)
    plane.clock.advance(60)
    plane.settle()
    assert left(plane) == 0


def test_deleting_the_image_or_the_server_gives_it_up(plane) -> None:
    one, two = plane.create("one"), plane.create("two")
    plane.hosts[0].sends = False
    images = [make_image(plane, server.id) for server in (one, two)]
    plane.settle()
    with plane.database.begin() as tx:
        image.delete(tx, plane.caller, images[0])
    plane.act(compute.actions.delete, two.id)
    plane.clock.advance(60)
    plane.settle()
    assert outcome(plane, one.id) == (True, "The image was deleted.") and task(plane, one.id) is None
    assert outcome(plane, two.id) == (True, "The server was deleted.")
    assert plane.status(two.id) == "DELETED"
    with pytest.raises(NotFound):
        found(plane, images[1])
    assert left(plane) == 0 and plane.hosts[0].uploads == {}


def test_a_volume_uploads_and_is_available_again(plane) -> None:
    with plane.database.begin() as tx:
        made = volume.volumes.create(tx, plane.caller, VolumeOrder(size_gib=1))
    plane.settle()
    with plane.database.begin() as tx:
        during, ordered = volume.volumes.to_image(tx, plane.caller, made.id, FIELDS, force=False)
    assert during.status == "uploading"
    with plane.database.begin() as tx, pytest.raises(volume.volumes.WrongStatus):
        volume.volumes.remove(tx, plane.caller, made.id)
    plane.settle()
    assert found(plane, ordered.id).status == "active"
    with plane.database.read() as tx:
        assert volume.get_volume(tx, plane.caller, made.id).status == "available"
    plane.settle()
    assert left(plane) == 0


def test_only_the_host_that_was_told_may_send(plane) -> None:
    server = plane.create()
    plane.hosts[0].sends = False
    image_id = make_image(plane, server.id)
    plane.settle()
    with plane.database.read() as tx:
        assert volume.uploads.sender(tx, plane.hosts[0].host_id, image_id).project_id == server.project_id
        with pytest.raises(NotFound):
            volume.uploads.sender(tx, "another", image_id)
        with pytest.raises(NotFound):
            volume.uploads.sender(tx, plane.hosts[0].host_id, "another")
