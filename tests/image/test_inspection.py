"""What the inspection lets through and what it refuses: real disks made by qemu-img, and a corpus of hostile
ones made from them."""

import io
import random
import struct
import subprocess
import uuid

import pytest

from volutus.image.faults import ImageRefused
from volutus.image.inspection import inspect

SIZE = 64 << 20
# Our name, qemu-img's name, its options.
MADE = [
    ("raw", "raw", ""),
    ("qcow2", "qcow2", ""),
    ("qcow2", "qcow2", "compat=0.10"),
    ("qcow2", "qcow2", "cluster_size=512"),
    ("qcow2", "qcow2", "extended_l2=on,cluster_size=128k"),
    ("qcow2", "qcow2", "compression_type=zstd"),
    ("vdi", "vdi", ""),
    ("vdi", "vdi", "static=on"),
    ("vhd", "vpc", "subformat=dynamic,force_size=on"),
    ("vhd", "vpc", "subformat=fixed,force_size=on"),
    ("vhdx", "vhdx", ""),
    ("vmdk", "vmdk", "subformat=monolithicSparse"),
    ("vmdk", "vmdk", "subformat=streamOptimized"),
]


def qemu_img(directory, driver, options="", content=b"some data" * 1000, size=SIZE):
    source, target = directory / "source", directory / "target"
    with source.open("wb") as file:
        file.write(content)
        file.truncate(size)
    extra = ["-o", options] if options else []
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", driver, *extra, source, target], check=True)
    return target.read_bytes()


def patched(content, at, new):
    return content[:at] + new + content[at + len(new) :]


def look(content, disk_format, container_format="bare"):
    return inspect(io.BytesIO(content), disk_format, container_format)


def refused(content, disk_format):
    with pytest.raises(ImageRefused) as caught:
        look(content, disk_format)
    return caught.value.message


@pytest.mark.parametrize(("disk_format", "driver", "options"), MADE)
def test_what_qemu_makes_is_let_through_under_its_own_name_alone(tmp_path, disk_format, driver, options):
    content = qemu_img(tmp_path, driver, options)
    assert look(content, disk_format) == SIZE
    others = {"qcow2", "vdi", "vhd", "vhdx", "vmdk", "iso"} - {disk_format}
    if disk_format not in ("raw", "vhd"):
        others |= {"raw", "ami", "aki", "ari"}
    for other in others:
        assert "does not match" in refused(content, other)


def test_cd_images(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("content")
    disk = tmp_path / "cd.iso"
    subprocess.run(["genisoimage", "-quiet", "-o", disk, tmp_path / "tree"], check=True)
    content = disk.read_bytes()
    assert look(content, "iso") == len(content)
    assert look(content, "raw") == len(content)
    assert "looks like iso" in refused(content, "qcow2")
    assert "looks like qcow2" in refused(patched(content, 0, b"QFI\xfb\0\0\0\3"), "iso")


def test_kernels_are_no_disks_and_archives_are_not_looked_into():
    assert look(b"\x1f\x8b kernel", "aki") is None
    assert look(b"anything", "raw", "docker") is None
    assert "empty" in refused(b"", "aki")
    assert look(b"", "raw") == 0


QCOW2 = [
    ("a backing file", 8, struct.pack(">QI", 0x200, 11), "backing file"),
    ("only the offset of one", 8, struct.pack(">Q", 0x200), "backing file"),
    ("only the length of one", 16, struct.pack(">I", 5), "backing file"),
    ("version 1", 4, struct.pack(">I", 1), "version 1"),
    ("version 4", 4, struct.pack(">I", 4), "version 4"),
    ("clusters of 1 byte", 20, struct.pack(">I", 0), "clusters"),
    ("clusters of 4 GiB", 20, struct.pack(">I", 32), "clusters"),
    ("encryption", 32, struct.pack(">I", 2), "encrypted"),
    ("an external data file", 72, struct.pack(">Q", 4), "external data file"),
    ("the mark of corruption", 72, struct.pack(">Q", 2), "corrupt"),
    ("a feature of the future", 72, struct.pack(">Q", 1 << 40), "not known"),
    ("a short header", 100, struct.pack(">I", 72), "header"),
    ("a header over its cluster", 100, struct.pack(">I", 1 << 20), "header"),
    ("the name of a data file", 112, struct.pack(">II", 0x44415441, 8), "another file"),
    ("the format of a backing file", 112, struct.pack(">II", 0xE2792ACA, 5), "another file"),
    ("an endless extension", 112, struct.pack(">II", 0x12345678, 0xFFFFFFFF), "does not fit"),
    ("a claim of 8 EiB", 24, struct.pack(">Q", (1 << 63) - 1), "tables"),
    ("a claim of 2^64 - 1", 24, b"\xff" * 8, "tables"),
    ("a huge table", 36, struct.pack(">I", 0xFFFFFFFF), "tables"),
    ("a table elsewhere", 40, struct.pack(">Q", 1 << 62), "tables"),
    ("a table across clusters", 40, struct.pack(">Q", 0x30001), "tables"),
    ("reference counts elsewhere", 48, struct.pack(">Q", 1 << 62), "tables"),
]


@pytest.mark.parametrize(("what", "at", "new", "told"), QCOW2, ids=[case[0] for case in QCOW2])
def test_hostile_qcow2(tmp_path, what, at, new, told):
    assert told in refused(patched(qemu_img(tmp_path, "qcow2"), at, new), "qcow2")


def test_a_disk_larger_than_any_is_refused_though_its_tables_fit(tmp_path):
    disk = tmp_path / "huge.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", disk, "256T"], check=True
    )
    assert "claims to hold" in refused(disk.read_bytes(), "qcow2")


def vmdk_with(content, text):
    at, sectors = struct.unpack_from("<QQ", content, 28)
    return patched(content, at * 512, text.encode().ljust(sectors * 512, b"\0"))


VMDK = [
    ("a flat extent", 'RW 131072 SPARSE "target"', 'RW 131072 FLAT "/etc/passwd" 0', "extents"),
    ("a second extent", "# The Disk Data Base", 'RW 1 FLAT "/etc/shadow" 0\n#', "extents"),
    ("an extent of another size", "RW 131072", "RW 5", "extents"),
    ("another kind", "monolithicSparse", "monolithicFlat", "not one file"),
    ("a device", "monolithicSparse", "fullDevice", "not one file"),
    ("a parent", "parentCID=ffffffff", "parentCID=12345678", "parent"),
    ("the hint of a parent", "# Extent", 'parentFileNameHint="/etc/passwd"\n# Extent', "parent"),
    ("two kinds", "# Extent", 'createType="vmfs"\n# Extent', "twice"),
    ("a line of the future", "# Extent", "CHANGETRACK\n# Extent", "not known"),
]


@pytest.mark.parametrize(("what", "old", "new", "told"), VMDK, ids=[case[0] for case in VMDK])
def test_hostile_vmdk(tmp_path, what, old, new, told):
    content = qemu_img(tmp_path, "vmdk", "subformat=monolithicSparse")
    at, sectors = struct.unpack_from("<QQ", content, 28)
    text = content[at * 512 : (at + sectors) * 512].split(b"\0")[0].decode()
    assert old in text
    assert told in refused(vmdk_with(content, text.replace(old, new, 1)), "vmdk")


def test_vmdk_of_several_files_and_hidden_ones(tmp_path):
    flat = b'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 1 FLAT "/etc/passwd" 0\n'
    assert "several files" in refused(flat, "vmdk")
    assert "looks like vmdk" in refused(flat, "raw")
    assert "several files" in refused(b"COWD" + b"\0" * 2048, "vmdk")
    content = qemu_img(tmp_path, "vmdk", "subformat=monolithicSparse")
    at, sectors = struct.unpack_from("<QQ", content, 28)
    behind = patched(content, (at + sectors) * 512 - 4, b"evil")
    assert "hides" in refused(behind, "vmdk")
    assert "absurd" in refused(patched(content, 36, struct.pack("<Q", 1 << 40)), "vmdk")
    assert "version 9" in refused(patched(content, 4, struct.pack("<I", 9)), "vmdk")


def test_vmdk_streams_say_the_same_at_both_ends(tmp_path):
    content = qemu_img(tmp_path, "vmdk", "subformat=streamOptimized")
    content = patched(content, 56, b"\xff" * 8)
    assert "without its end" in refused(content, "vmdk")
    whole = content + content[:512] + b"\0" * 512
    assert look(whole, "vmdk") == SIZE
    assert "differ" in refused(patched(whole, len(content) + 12, struct.pack("<Q", 5)), "vmdk")
    assert "two VMDK descriptors" in refused(patched(whole, len(content) + 28, struct.pack("<Q", 9)), "vmdk")


VDI = [
    ("a differencing disk", 0x4C, struct.pack("<I", 4), "builds on another"),
    ("an undo disk", 0x4C, struct.pack("<I", 3), "builds on another"),
    ("a link", 0x1A8, b"\1", "parent"),
    ("a parent", 0x1B8, b"\1", "parent"),
    ("another version", 0x44, struct.pack("<I", 2 << 16), "version"),
    ("a claim of 8 EiB", 0x170, struct.pack("<Q", (1 << 63) - 1), "block map"),
    ("a huge map", 0x180, struct.pack("<I", 0xFFFFFFFF), "beyond its end"),
    ("odd blocks", 0x178, struct.pack("<I", 512), "block map"),
]


@pytest.mark.parametrize(("what", "at", "new", "told"), VDI, ids=[case[0] for case in VDI])
def test_hostile_vdi(tmp_path, what, at, new, told):
    assert told in refused(patched(qemu_img(tmp_path, "vdi"), at, new), "vdi")


def test_hostile_vhd(tmp_path):
    content = qemu_img(tmp_path, "vpc", "subformat=dynamic,force_size=on")
    end = len(content) - 512
    both = patched(patched(content, 60, struct.pack(">I", 4)), end + 60, struct.pack(">I", 4))
    assert "builds on another" in refused(both, "vhd")
    assert "differ" in refused(patched(content, 48, struct.pack(">Q", 5)), "vhd")
    header = struct.unpack_from(">Q", content, 16)[0]
    assert "parent" in refused(patched(content, header + 40, b"\1"), "vhd")
    assert "parent" in refused(patched(content, header + 576, b"W2ku"), "vhd")
    assert "block table" in refused(patched(content, header + 28, struct.pack(">I", 0)), "vhd")
    assert "blocks" in refused(patched(content, header + 32, struct.pack(">I", 3)), "vhd")
    assert "without its footer" in refused(content[:-512], "vhd")
    fixed = qemu_img(tmp_path, "vpc", "subformat=fixed,force_size=on")
    larger = patched(fixed, len(fixed) - 512 + 48, struct.pack(">Q", 1 << 40))
    assert "does not hold" in refused(larger, "vhd")


def test_hostile_vhdx(tmp_path):
    content = qemu_img(tmp_path, "vhdx")
    at = content.index(uuid.UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B").bytes_le)
    locator = uuid.UUID("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C").bytes_le
    region = content.index(b"metadata")
    item = region + struct.unpack_from("<I", content, at + 16)[0]
    assert "builds on another" in refused(patched(content, item + 4, struct.pack("<I", 2)), "vhdx")
    assert "parent" in refused(patched(content, at, locator), "vhdx")
    assert "too much" in refused(patched(content, region + 10, b"\xff\xff"), "vhdx")
    for table in (192 << 10, 256 << 10):
        content = patched(content, table + 8, b"\xff\xff\xff\xff")
    assert "too many" in refused(content, "vhdx")


def test_formats_that_are_not_offered_are_recognised(tmp_path):
    assert "looks like qed" in refused(qemu_img(tmp_path, "qed"), "raw")
    for magic, name in ((b"LUKS\xba\xbe\0\1", "luks"), (b"WithoutFreeSpace", "parallels")):
        assert f"looks like {name}" in refused(magic.ljust(4096, b"\0"), "raw")


@pytest.mark.parametrize(("disk_format", "driver", "options"), MADE[1:])
def test_whatever_is_broken_the_answer_is_a_refusal(tmp_path, disk_format, driver, options):
    """Thousands of disks with random bytes changed or cut off: refused or let through, never anything else,
    and what is let through is no larger than the bound."""
    content = qemu_img(tmp_path, driver, options, size=4 << 20)
    chance = random.Random(f"{driver}{options}")
    interesting = [
        *range(1024),
        *range(max(len(content) - 1536, 0), len(content)),
        *range(192 << 10, 193 << 10),
    ]
    for _ in range(300):
        broken = bytearray(content)
        for _ in range(chance.randint(1, 6)):
            at = chance.choice(interesting)
            if at < len(broken):
                broken[at] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        if chance.random() < 0.2:
            del broken[chance.randrange(len(broken)) :]
        try:
            found = look(bytes(broken), disk_format)
        except ImageRefused:
            continue
        assert found is not None
        assert 0 <= found <= 128 << 40
