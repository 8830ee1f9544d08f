"""Brings each upload a step closer to its end: tells the host, waits for the image, cleans up.

Its only acts are rows: in the host's document, of the image, and in the queue of who waits.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, select

from volutus import image, placement
from volutus.db import Database, Tx
from volutus.reconcile import Again, Done, Item, Outcome, each_alone
from volutus.volume import uploads as orders
from volutus.volume.tables import uploads

# Copying and sending the largest common disk (100 GiB) at 30 MiB/s takes an hour.
DEADLINE = timedelta(hours=2)
# A host tries again once a minute at the latest; a control plane that was away must not end an upload.
FAULT_PATIENCE = timedelta(seconds=90)
# Reports and the image's last byte wake the upload; a tenant who deletes the image does not.
LOOK_S = 3
SCAN_MAX = 500


class UploadReconciler:
    """The kind of work `upload`; keys are ids of images."""

    kind = orders.KIND
    batch = 20

    def __init__(self, database: Database) -> None:
        self._database = database

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """One step for each, each in its own transaction."""
        return each_alone(self._database, items, _step)

    def scan(self, tx: Tx) -> Sequence[str]:
        """All there are: each goes when it is over."""
        rows = tx.rows(select(uploads.c.image_id).order_by(uploads.c.created_at).limit(SCAN_MAX))
        return [row.image_id for row in rows]


def _step(tx: Tx, item: Item) -> Outcome:
    row = tx.row(select(uploads).where(uploads.c.image_id == item.key).with_for_update())
    if row is None:
        return Done()
    if row.ended_at is not None:
        return _clean_up(tx, row)
    status = image.status_of(tx, item.key)
    if status in ("active", "deactivated"):
        orders.end(tx, row, None)
        return Again(0, "the image is there")
    failure = _failure(tx, row, status)
    if failure is not None:
        orders.end(tx, row, failure)
        return Again(0, "it failed")
    if row.assigned_at is None and not orders.assign(tx, row):
        return Again(LOOK_S, "for the disk to be made")
    return Again(LOOK_S, f"for host {row.host_id or 'to be told'}")


def _failure(tx: Tx, row: Row[Any], status: str) -> str | None:
    if status == "deleted":
        return "The image was deleted."
    if row.fault is not None and tx.now - row.fault_at >= FAULT_PATIENCE:
        return str(row.fault)
    if not row.captured and not orders.disk_is_there(tx, row.disk_id):
        return "The disk was removed."
    if tx.now - row.created_at >= DEADLINE:
        return "The host did not send the image in time."
    return None


def _clean_up(tx: Tx, row: Row[Any]) -> Outcome:
    """Have the host forget it; the row stays until whoever waits has taken the outcome."""
    told = row.assigned_at is not None and row.gone_at is None
    if told and placement.bury(tx, row.host_id, orders.KIND, row.image_id):
        return Again(LOOK_S * 10, f"for host {row.host_id} to drop its copy")
    if row.server_id is not None:
        return Done()
    tx.execute(delete(uploads).where(uploads.c.image_id == row.image_id))
    return Done()
