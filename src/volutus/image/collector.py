"""Collects what is left over: bytes of deleted images, uploads whose process died, files nobody owns."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import delete, or_, select, update

from volutus.db import Database, Tx
from volutus.image import caches, tasks
from volutus.image.data import SILENT_S
from volutus.image.images import DELETE_GRACE_S, KIND
from volutus.image.store import ImageStore
from volutus.image.tables import images
from volutus.reconcile import Again, Done, Item, Outcome

log = logging.getLogger(__name__)

# The key of the look at the whole store; not an image's id.
STORE = "store"
# A file must be this old before its lack of an image counts: `finish` comes after the file got its name.
FILE_AGE_S = 3600.0
SCAN_MAX = 200
_ID_BATCH = 500


class ImageCollector:
    """The reconciler of images."""

    def __init__(self, database: Database, store: ImageStore) -> None:
        self._database = database
        self._store = store

    @property
    def kind(self) -> str:
        return KIND

    @property
    def batch(self) -> int:
        return 20

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """Settle each image; files are deleted with no transaction open."""
        return {item.key: self._sweep() if item.key == STORE else self._settle(item.key) for item in items}

    def scan(self, tx: Tx) -> Sequence[str]:
        """Images with something left over, oldest first, and the store."""
        rows = tx.rows(
            select(images.c.id)
            .where(
                or_(
                    images.c.deleted_at < tx.now - timedelta(seconds=DELETE_GRACE_S),
                    images.c.upload_seen_at < tx.now - timedelta(seconds=SILENT_S),
                )
            )
            .order_by(images.c.updated_at)
            .limit(SCAN_MAX)
        )
        return [STORE, *(row.id for row in rows)]

    def _settle(self, image_id: str) -> Outcome:
        with self._database.begin() as tx:
            row = tx.row(
                select(images.c.deleted_at, images.c.upload_id, images.c.upload_seen_at)
                .where(images.c.id == image_id)
                .limit(1)
            )
            if row is None:
                return Done()
            if row.deleted_at is not None:
                age = (tx.now - row.deleted_at).total_seconds()
                if age < DELETE_GRACE_S:
                    return Again(DELETE_GRACE_S - age, "the grace time of a deleted image")
                caches.forget(tx, image_id)
            elif row.upload_id is not None:
                silent = (tx.now - row.upload_seen_at).total_seconds()
                if silent < SILENT_S:
                    return Again(SILENT_S - silent, "an upload under way")
                self._take_back(tx, image_id, row.upload_id)
                return Done()
            else:
                return Done()
        self._store.remove(image_id)
        with self._database.begin() as tx:
            tx.execute(delete(images).where(images.c.id == image_id, images.c.deleted_at.isnot(None)))
        return Done()

    def _take_back(self, tx: Tx, image_id: str, upload_id: str) -> None:
        log.warning("the upload of image %s went silent", image_id)
        tx.execute(
            update(images)
            .where(images.c.id == image_id, images.c.upload_id == upload_id)
            .values(upload_id=None, upload_seen_at=None, updated_at=tx.now)
        )

    def _sweep(self) -> Outcome:
        self._store.discard_abandoned(FILE_AGE_S)
        with self._database.begin() as tx:
            tasks.forget_old(tx)
        names = list(self._store.names(FILE_AGE_S))
        for start in range(0, len(names), _ID_BATCH):
            part = names[start : start + _ID_BATCH]
            with self._database.read() as tx:
                known = {
                    row.id
                    for row in tx.rows(select(images.c.id).where(images.c.id.in_(part)).limit(_ID_BATCH))
                }
            for name in set(part) - known:
                log.warning("deleting the file %s, which belongs to no image", name)
                self._store.remove(name)
        return Done()
