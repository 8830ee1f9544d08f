"""The status of a volume: one table for Python, and SQL that must agree with it row by row."""

import itertools

import pytest
from sqlalchemy import update

from volutus import volume
from volutus.volume import VolumeFilter, VolumeOrder
from volutus.volume.status import DiskFlags, VolumeFlags, snapshot_status, volume_status
from volutus.volume.tables import attachments, disks, volumes

DISK = dict.fromkeys(("removed", "stuck", "failed", "away", "unmade"), False)
VOLUME = DISK | dict.fromkeys(
    (
        "retyping",
        "locked",
        "reverting",
        "restoring",
        "downloading",
        "small",
        "claimed",
        "reserved",
        "plugging",
        "plugged",
        "unplugging",
        "offered",
        "uploading",
        "backing_up",
        "exported",
    ),
    False,
)
TABLE = [
    ("", "available"),
    ("away unmade", "creating"),
    ("away unmade failed", "error"),
    ("away failed", "error"),
    ("failed", "available"),
    ("removed", "deleting"),
    ("removed stuck", "error_deleting"),
    ("removed away unmade failed", "deleting"),
]
VOLUMES = [
    ("retyping", "retyping"),
    ("retyping plugged away failed", "error"),
    ("locked plugged", "maintenance"),
    ("reverting away", "reverting"),
    ("restoring away failed", "error"),
    ("downloading plugged", "downloading"),
    ("backing_up", "backing-up"),
    ("backing_up plugged", "in-use"),
    ("exported", "in-use"),
    ("exported removed", "deleting"),
    ("small", "extending"),
    ("small failed", "error_extending"),
    ("small plugged", "extending"),
    ("claimed", "attaching"),
    ("reserved", "reserved"),
    ("plugging", "attaching"),
    ("plugged", "in-use"),
    ("plugged claimed", "in-use"),
    ("unplugging", "detaching"),
    ("plugged unplugging", "detaching"),
    ("offered", "awaiting-transfer"),
    ("uploading", "uploading"),
    ("plugged uploading", "uploading"),
    ("plugged away failed", "error"),
    ("unmade reserved", "creating"),
    ("removed plugged", "deleting"),
]


def flags(words):
    return dict.fromkeys(words.split(), True)


@pytest.mark.parametrize(("words", "status"), TABLE + VOLUMES)
def test_volumes(words, status):
    assert volume_status(VolumeFlags(**VOLUME | flags(words))) == status
    assert volume_status(VolumeFlags(**VOLUME | flags(words)), "maintenance") == "maintenance"


@pytest.mark.parametrize(("words", "status"), TABLE)
def test_snapshots(words, status):
    assert snapshot_status(DiskFlags(**DISK | flags(words))) == status


def test_sql_and_python_agree_about_every_combination(tx, caller):
    """Lists filter by SQL and show by Python: a volume listed under a status must show it."""
    one = volume.volumes.create(tx, caller, VolumeOrder(size_gib=1)).id
    tied = {"id": "a", "volume_id": one, "by_compute": False, "created_at": tx.now}
    tx.execute(attachments.insert(), tied | {"wanted": "reserved", "mode": "rw"})
    moments = (None, tx.now)
    seen = set()
    for removed, stuck, failed, ready, made, size in itertools.product(
        moments, (None, "stuck"), (None, "failed"), (False, True), moments, (0, 1 << 30)
    ):
        values = {
            "removed_at": removed,
            "removal_failure": stuck,
            "failure": failed,
            "ready": ready,
            "made_at": made,
            "observed_bytes": size,
        }
        tx.execute(update(disks).where(disks.c.id == one).values(**values))
        for wanted, attached, claimed in itertools.product(
            ("reserved", "attached", "detached"), moments, moments
        ):
            tx.execute(update(attachments).values(wanted=wanted, attached_at=attached))
            tx.execute(update(volumes).where(volumes.c.id == one).values(attach_claimed_at=claimed))
            status = volume.get_volume(tx, caller, one).status
            found = volume.volumes.list_(tx, caller, VolumeFilter(status=status), volume.volumes.Page())
            assert [volume_.id for volume_ in found] == [one], (status, values, wanted, attached)
            seen.add(status)
    assert len(seen) == 10
