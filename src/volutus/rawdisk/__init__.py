"""Disks as the bytes that a guest sees, whatever format they are kept in: for downloads as RAW.

`opened` answers a `RawDisk`, whose `readinto` gives any range. It knows files and formats, and nothing of
images, volumes, projects or HTTP: those layers use it.
"""

from volutus.rawdisk.disk import DiskUnreadable, PlainFile, RawDisk, opened

__all__ = ["DiskUnreadable", "PlainFile", "RawDisk", "opened"]
