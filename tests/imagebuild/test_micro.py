"""What is in the image `micro`, without booting it."""

import hashlib
import json
import struct
import subprocess
from pathlib import Path

import pytest

from volutus.imagebuild import build
from volutus.imagebuild.built import BuildFailed
from volutus.imagebuild.elf import needed
from volutus.imagebuild.tools import run
from volutus.imagebuild.tree import GuestTree

ATTRIBUTES = [
    ("/", "directory", 0o755, 0),
    ("/usr/bin/sudo", "regular", 0o4755, 0),
    ("/usr/bin/dropbear", "regular", 0o755, 0),
    ("/usr/bin/instance", "regular", 0o755, 0),
    ("/usr/bin/sh", "symlink", 0o777, 0),
    ("/etc/init.d/rcS", "regular", 0o755, 0),
    ("/etc/shadow", "regular", 0o600, 0),
    ("/etc/sudoers", "regular", 0o440, 0),
    ("/home/volutus", "directory", 0o755, 1000),
    ("/root", "directory", 0o700, 0),
    ("/tmp", "directory", 0o1777, 0),
]
PROGRAMS = [
    "awk",
    "blkid",
    "curl",
    "dropbear",
    "e2fsck",
    "ip",
    "lsblk",
    "mkfs",
    "mkfs.ext4",
    "mount",
    "nc",
    "ping",
    "ping6",
    "qemu-ga",
    "resize2fs",
    "sfdisk",
    "sudo",
    "udhcpc",
    "chpasswd",
    "shutdown",
]


@pytest.mark.parametrize(("path", "kind", "mode", "owner"), ATTRIBUTES)
def test_owners_and_modes_do_not_depend_on_the_builder(root, path, kind, mode, owner):
    entry = root.stat(path)
    assert entry is not None, path
    assert (entry.kind, entry.mode, entry.uid, entry.gid) == (kind, mode, owner, owner)


def test_the_programs_that_scripts_expect_are_there(root):
    assert set(PROGRAMS) <= root.names("/usr/bin")


def test_nobody_knows_a_password_or_a_host_key(root):
    passwords = dict(line.split(":")[:2] for line in root.read("/etc/shadow").splitlines())
    assert passwords.keys() >= {"root", "volutus", "cirros"}
    assert set(passwords.values()) == {"*"}
    assert root.names("/etc/dropbear") == set()
    assert root.stat("/home/volutus/.ssh") is None
    assert "dropbear -R -E -s -w" in root.read("/usr/bin/ssh-server")


def test_cirros_is_another_name_for_volutus(root):
    users = {line.split(":")[0]: line.split(":")[2:] for line in root.read("/etc/passwd").splitlines()}
    assert users["cirros"][:2] == users["volutus"][:2]
    assert users["cirros"][3:] == users["volutus"][3:]


def test_the_disk_boots_by_itself_and_by_its_kernel(micro, root):
    assert root.label() in micro.kernel_command_line
    kernel = root.stat("/boot/vmlinuz")
    assert kernel is not None
    assert micro.kernel.read_bytes()[0x202:0x206] == b"HdrS"
    assert micro.ramdisk.read_bytes()[:6] == b"070701"
    assert b"volutus-root" in micro.ramdisk.read_bytes()


def test_the_disk_is_small_and_names_no_other_file(micro):
    told = json.loads(run(["qemu-img", "info", "--output=json", micro.disk]))
    assert told["format"] == "qcow2"
    assert told["virtual-size"] <= micro.min_disk_gib << 30
    assert "backing-filename" not in told
    assert micro.disk.stat().st_size < 64 << 20


def test_the_manifest_says_what_went_in(micro):
    manifest = json.loads(micro.manifest.read_text())
    names = {package["name"] for package in manifest["packages"]}
    assert {"busybox-static", "dosfstools", "dropbear-bin", "sudo"} <= names
    assert any(name.startswith("linux-image-") for name in names)
    assert all(package["version"] for package in manifest["packages"])
    assert manifest["default_user"] == "volutus"
    for path in (micro.disk, micro.kernel, micro.ramdisk):
        assert manifest["files"][path.name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_nothing_is_left_beside_the_image(micro):
    expected = {micro.disk, micro.kernel, micro.ramdisk, micro.manifest}
    assert set(micro.disk.parent.iterdir()) == expected


def test_an_unknown_recipe_is_named(tmp_path):
    with pytest.raises(Exception, match="no image recipe 'macro'; there are debian-12, micro"):
        build("macro", tmp_path, lambda step: None)


def test_a_missing_program_names_its_package(monkeypatch):
    monkeypatch.setattr("volutus.imagebuild.tools.SEARCH_PATH", "/nowhere")
    with pytest.raises(BuildFailed, match="debugfs is not installed: apt-get install e2fsprogs"):
        run(["debugfs"])


def test_a_failing_program_is_quoted(tmp_path):
    with pytest.raises(BuildFailed, match=r"qemu-img failed: .*Could not open"):
        run(["qemu-img", "info", tmp_path / "none"])


def test_libraries_are_read_as_the_loader_reads_them(tmp_path):
    told = subprocess.run(["ldd", "/bin/ls"], capture_output=True, text=True, check=True).stdout
    loaded = {line.split()[0] for line in told.splitlines() if "=>" in line}
    named = needed(Path("/bin/ls"))
    assert "libc.so.6" in named
    assert set(named) <= loaded
    damaged = tmp_path / "damaged"
    damaged.write_bytes(Path("/bin/ls").read_bytes()[:64])
    with pytest.raises(BuildFailed):
        needed(damaged)


def test_a_tree_never_leaves_its_root(tmp_path):
    tree = GuestTree(tmp_path / "tree")
    tree.link("/out", "../../..")
    with pytest.raises(BuildFailed):
        tree.write("/out/evil", b"")


def test_the_partition_starts_behind_the_boot_loader(micro, tmp_path):
    raw = tmp_path / "micro.raw"
    run(["qemu-img", "convert", "-O", "raw", micro.disk, raw])
    with raw.open("rb") as file:
        sector = file.read(512)
    flags, kind, start = struct.unpack("<B3xB3xI", sector[446:458])
    assert (flags, kind, start) == (0x80, 0x83, 2048)
