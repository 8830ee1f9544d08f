"""Trees that become root file systems, and the pieces of `debian-12` that need no two minutes."""

import io
import tarfile

import pytest

from volutus.imagebuild.built import BuildFailed, read_built
from volutus.imagebuild.debian12 import unpack_system
from volutus.imagebuild.initramfs import archive, directories, file
from volutus.imagebuild.kernel import Kernel
from volutus.imagebuild.tree import Attributes, GuestTree


def member(name, kind=tarfile.REGTYPE, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def system(tmp_path, *members):
    path = tmp_path / "system.tar"
    with tarfile.open(path, "w") as tar:
        for info in members:
            content = info.name.encode() if info.type == tarfile.REGTYPE else b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_a_system_is_unpacked_with_owners_and_modes_noted(tmp_path):
    path = system(
        tmp_path,
        member("./", tarfile.DIRTYPE, mode=0o755),
        member("./usr", tarfile.DIRTYPE, mode=0o755),
        member("./usr/bin", tarfile.DIRTYPE, mode=0o755),
        member("./usr/bin/su", mode=0o4755),
        member("./usr/bin/crontab", mode=0o2755, gid=101),
        member("./usr/bin/perl5", tarfile.LNKTYPE, linkname="./usr/bin/su", mode=0o4755),
        member("./bin", tarfile.SYMTYPE, linkname="usr/bin", mode=0o777),
        member("./dev", tarfile.DIRTYPE, mode=0o755),
        member("./dev/console", tarfile.CHRTYPE, mode=0o600),
        member("./secret", tarfile.DIRTYPE, mode=0o700, uid=7),
    )
    tree = unpack_system(path, tmp_path / "root")
    assert tree.attributes["/usr/bin/su"] == Attributes(0o4755)
    assert tree.attributes["/usr/bin/crontab"] == Attributes(0o2755, 0, 101)
    assert tree.attributes["/secret"] == Attributes(0o700, 7)
    assert (tree.root / "usr/bin/perl5").stat().st_ino == (tree.root / "usr/bin/su").stat().st_ino
    assert not (tree.root / "dev/console").exists()
    assert next(path for path, _, _ in tree.entries()) == "/"


@pytest.mark.parametrize("name", ["./../evil", "a/../../evil"])
def test_a_system_cannot_leave_its_root(tmp_path, name):
    with pytest.raises(BuildFailed):
        unpack_system(system(tmp_path, member(name)), tmp_path / "root")
    assert not (tmp_path / "evil").exists()


def test_links_in_directories_are_followed_and_files_replaced(tmp_path):
    tree = GuestTree(tmp_path / "root")
    tree.directory("/usr/bin")
    tree.link("/sbin", "usr/bin")
    tree.link("/sbin/ip", "busybox")
    assert tree.has("/usr/bin/ip") and not tree.has_file("/usr/bin/ip")
    tree.write("/sbin/ip", b"real", 0o755)
    assert tree.has_file("/usr/bin/ip")
    assert tree.attributes["/usr/bin/ip"] == Attributes(0o755)
    assert "/sbin/ip" not in tree.attributes


def test_modules_load_after_what_they_need(tmp_path):
    modules = tmp_path / "lib/modules/6.1"
    modules.mkdir(parents=True)
    modules.joinpath("modules.dep").write_text(
        "kernel/ring.ko:\n"
        "kernel/virtio.ko: kernel/ring.ko\n"
        "kernel/virtio-blk.ko: kernel/virtio.ko kernel/ring.ko\n"
    )
    order = Kernel(tmp_path, "6.1").loading_order(["virtio_blk", "built_in", "virtio"])
    assert [path.name for path in order] == ["ring.ko", "virtio.ko", "virtio-blk.ko"]


def test_an_initramfs_is_what_cpio_expects():
    data = archive([*directories(["bin"]), file("init", b"#!", 0o755)])
    assert len(data) % 4 == 0
    header = data[:110]
    assert header[:6] == b"070701"
    assert int(header[14:22], 16) == 0o40755
    assert data.endswith(b"TRAILER!!!\0\0\0\0")
    assert data.index(b"#!") % 4 == 0


def test_an_earlier_build_is_read_back(micro, tmp_path):
    assert read_built(micro.manifest) == micro
    assert len(micro.build_id) == 64
    with pytest.raises(BuildFailed):
        read_built(tmp_path / "none")
