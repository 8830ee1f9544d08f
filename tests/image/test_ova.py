"""OVA archives: what is let through, and a corpus of hostile ones."""

import io
import tarfile

import pytest

from tests.image.ova import archive, description, machine
from tests.image.test_inspection import SIZE, patched, qemu_img
from volutus.image.faults import ImageRefused
from volutus.image.inspection import archived_disks, inspect

OVF = description("disk.vmdk")


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    return qemu_img(tmp_path_factory.mktemp("ova"), "vmdk", "subformat=streamOptimized")


def refused(content):
    with pytest.raises(ImageRefused) as caught:
        inspect(io.BytesIO(content), "vmdk", "ova")
    return caught.value.message


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_machine_with_its_disk_is_let_through(disk, form):
    content = archive(("m.ovf", OVF), ("m.mf", b"SHA256(m.ovf)= 00"), ("disk.vmdk", disk), form=form)
    assert inspect(io.BytesIO(content), "vmdk", "ova") is None
    (found,) = archived_disks(io.BytesIO(content))
    assert (found.disk_format, found.virtual_bytes) == ("vmdk", SIZE)
    assert content[found.at : found.at + found.size] == disk


def _linked(kind):
    link = tarfile.TarInfo("disk.vmdk")
    link.type, link.linkname = kind, "/etc/shadow"
    return archive(("m.ovf", OVF), link)


HOSTILE = {
    "no archive": (b"anything" * 200, "no OVA"),
    "empty": (b"", "does not begin with its description"),
    "no description": (archive(("disk.vmdk", b"x")), "does not begin with its description"),
    "a disk that is not in it": (archive(("m.ovf", OVF)), "is not in it"),
    "a disk elsewhere": (archive(("m.ovf", description("http://10.0.0.1/disk"))), "is not in it"),
    "a disk by path": (archive(("m.ovf", description("../../etc/shadow"))), "is not in it"),
    "a directory": (archive(("m.ovf", OVF), ("../disk.vmdk", b"x")), "directories"),
    "an absolute path": (archive(("m.ovf", OVF), ("/etc/shadow", b"x")), "directories"),
    "a symbolic link": (_linked(tarfile.SYMTYPE), "else than plain files"),
    "a hard link": (_linked(tarfile.LNKTYPE), "else than plain files"),
    "a device": (_linked(tarfile.CHRTYPE), "else than plain files"),
    "a name twice": (archive(("m.ovf", OVF), ("disk.vmdk", b"x"), ("disk.vmdk", b"y")), "twice"),
    "a disk of raw bytes": (archive(("m.ovf", OVF), ("disk.vmdk", b"x" * 600)), "looks like raw data"),
    "compressed disks": (
        archive(("m.ovf", description("disk.vmdk", more='ovf:compression="gzip"')), ("disk.vmdk", b"x")),
        "compressed",
    ),
    "no disks": (archive(("m.ovf", description())), "without disks"),
    "no XML": (archive(("m.ovf", b"<Envelope>")), "no XML"),
    "entities": (archive(("m.ovf", b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>')), "document type"),
    "an outer entity": (
        archive(("m.ovf", b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/shadow">]><x>&a;</x>')),
        "document type",
    ),
    "a huge description": (archive(("m.ovf", b" " * ((1 << 20) + 1))), "absurd"),
    "too many files": (archive(("m.ovf", OVF), *((f"f{n}", b"") for n in range(70))), "more than 64"),
    "cut short": (archive(("m.ovf", OVF), ("disk.vmdk", b"x" * 5000))[:4000], "cut short"),
    "a wrong sum": (patched(archive(("m.ovf", OVF)), 148, b"0000000\0"), "broken"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(name):
    content, reason = HOSTILE[name]
    assert reason in refused(content)


def test_a_disk_within_is_inspected_like_one_by_itself(tmp_path):
    backed = patched(qemu_img(tmp_path, "qcow2"), 8, b"\0\0\0\0\0\0\2\0\0\0\0\x0b")
    assert "backing file" in refused(machine(backed))


def test_an_extended_header_does_not_change_what_was_checked(disk):
    long_name = tarfile.TarInfo("x" * 150 + ".vmdk")
    content = archive(("m.ovf", OVF), long_name, ("disk.vmdk", disk), form=tarfile.PAX_FORMAT)
    assert "contradict" in refused(content)
