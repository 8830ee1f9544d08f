"""`volutus image`: build images from Debian packages, offer them to the cloud, take any out of it."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from volutus import settings as settings_module
from volutus.setup.progress import Progress

if TYPE_CHECKING:
    from volutus.db import Database

# Holes of this size are worth a seek; smaller ones are written.
_PIECE_BYTES = 1 << 20


def build(arguments: argparse.Namespace) -> int:
    """Build into a directory, and say how to give it to the cloud."""
    from volutus.imagebuild import build as build_image

    progress = Progress()
    built = build_image(arguments.name, arguments.output, progress.line)
    manifest = built.disk.parent / f"{arguments.name}.manifest.json"
    sys.stdout.write(
        f"{built.disk}\n\nTo offer it to all:  volutus image offer {manifest}\n"
        f"To upload it:        openstack image create --disk-format qcow2 --container-format bare "
        f"--file {built.disk} {built.name}\n"
    )
    return 0


def offer(arguments: argparse.Namespace) -> int:
    """Take a built image into the cloud, public, with its kernel where it has one."""
    from volutus.image import ImageStore, register_built
    from volutus.imagebuild.built import read_built

    settings = settings_module.current(arguments.state_dir)
    with _database(settings.database) as database, database.begin() as tx:
        made = register_built(tx, ImageStore(settings.image_dir), read_built(arguments.manifest))
    sys.stdout.write(f"{made.id} {made.name}\n")
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write an image as a raw disk into a file; what holds nothing takes no room in it."""
    from volutus.identity.caller import CLOUD
    from volutus.image import ImageStore, get
    from volutus.rawdisk import opened

    settings = settings_module.current(arguments.state_dir)
    with _database(settings.database) as database, database.read() as tx:
        image = get(tx, CLOUD, arguments.image)
    disk = opened(ImageStore(settings.image_dir).path(image.id), image.driver)
    try:
        with arguments.file.open("xb") as file:
            buffer = bytearray(_PIECE_BYTES)
            for at in range(0, disk.size_bytes, _PIECE_BYTES):
                piece = memoryview(buffer)[: disk.readinto(at, memoryview(buffer))]
                if bytes(piece).count(0) < len(piece):
                    file.seek(at)
                    file.write(piece)
            file.truncate(disk.size_bytes)
    finally:
        disk.close()
    sys.stdout.write(f"{arguments.file}: {disk.size_bytes} bytes\n")
    return 0


@contextmanager
def _database(url: str) -> Iterator["Database"]:
    from volutus.clock import SystemClock
    from volutus.db import Database
    from volutus.ids import Ids

    database = Database(url, SystemClock(), Ids(), pool_size=1)
    try:
        yield database
    finally:
        database.close()
