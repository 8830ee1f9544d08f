"""`os-volume_upload_image`: the answer, the states, the refusals."""

import pytest


def upload(cinder, volume_id, expect=202, **fields):
    body = {"image_name": "copy", "disk_format": "qcow2", "container_format": "bare", **fields}
    return cinder.act(volume_id, "os-volume_upload_image", body, expect)


def test_the_volume_is_uploading_and_the_image_named(cinder, made):
    volume_id = made()
    answer = upload(cinder, volume_id)["os-volume_upload_image"]
    assert answer["status"] == "uploading" and answer["size"] == 1 and answer["visibility"] == "private"
    assert cinder.status(volume_id) == "uploading"
    shown = cinder.http.get(f"/image/v2/images/{answer['image_id']}").json()
    assert (shown["status"], shown["disk_format"], shown["min_disk"]) == ("queued", "qcow2", 1)


@pytest.mark.parametrize("fields", [{"disk_format": "iso"}, {"container_format": "ova"}, {"image_name": ""}])
def test_what_cannot_be_an_image_is_refused(cinder, made, fields):
    upload(cinder, made(), 400, **fields)


def test_only_an_available_volume_is_uploaded(cinder, made):
    volume_id = made()
    upload(cinder, volume_id)
    upload(cinder, volume_id, 400)
