"""How `debian-12` is put together: a whole Debian with cloud-init, by mmdebstrap, for users who want one."""

import shutil
import tarfile
import tempfile
from pathlib import Path

from volutus.imagebuild import disk
from volutus.imagebuild.built import BuildFailed, BuiltImage, Package, Progress, write_manifest
from volutus.imagebuild.tools import run
from volutus.imagebuild.tree import Attributes, GuestTree

SUITE = "bookworm"
PACKAGES = (
    "ca-certificates", "cloud-guest-utils", "cloud-init", "curl", "dbus", "e2fsprogs", "fdisk", "ifupdown",
    "iproute2", "iputils-ping", "isc-dhcp-client", "less", "linux-image-cloud-amd64", "netbase",
    "openssh-server", "procps", "python3-requests", "qemu-guest-agent", "sudo", "systemd-sysv", "udev",
    "vim-tiny",
)  # fmt: skip
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
FILES = {
    "/etc/fstab": "LABEL=cloudroot / ext4 defaults,noatime 0 1\n",
    "/etc/hostname": "debian\n",
    "/etc/machine-id": "",
    "/etc/resolv.conf": "",
    "/etc/network/interfaces": "source /etc/network/interfaces.d/*\n",
    "/etc/cloud/cloud.cfg.d/90_datasource.cfg": (
        "datasource_list: [ ConfigDrive, OpenStack, None ]\n"
        "datasource:\n  OpenStack:\n    max_wait: 20\n    timeout: 5\n"
        "locale: C.UTF-8\nmanage_etc_hosts: true\n"
        "ssh_pwauth: false\n"
        "system_info:\n  default_user:\n    name: volutus\n    gecos: volutus\n    lock_passwd: true\n"
        '    sudo: ["ALL=(ALL) NOPASSWD:ALL"]\n    shell: /bin/bash\n'
    ),
}
LABEL = "cloudroot"
COMMAND_LINE = f"root=LABEL={LABEL} ro console=tty1 console=ttyS0 quiet net.ifnames=0"
DISK_MIB = 2048
MIN_DISK_GIB = 2
MIN_RAM_MIB = 512
# Where the guest keeps the list of its packages, read for the manifest.
DPKG_STATUS = "var/lib/dpkg/status"


def build_debian12(out: Path, progress: Progress) -> BuiltImage:
    """Build the disk, kernel, initial RAM file system and manifest into `out`; takes minutes."""
    image = BuiltImage(
        name="debian-12",
        disk=out / "debian-12.qcow2",
        kernel=out / "debian-12-vmlinuz",
        ramdisk=out / "debian-12-initrd",
        kernel_command_line=COMMAND_LINE,
        default_user="volutus",
        min_disk_gib=MIN_DISK_GIB,
        min_ram_mib=MIN_RAM_MIB,
        manifest=out / "debian-12.manifest.json",
    )
    with tempfile.TemporaryDirectory(dir=out, prefix=".debian-12-") as directory:
        work = Path(directory)
        progress("installing Debian 12 into a directory: about two minutes")
        archive = _bootstrap(work)
        progress("unpacking")
        tree = unpack_system(archive, work / "root")
        archive.unlink()
        for path, content in FILES.items():
            tree.write(path, content.encode())
        kernel, ramdisk = _boot_files(tree)
        shutil.copyfile(tree.root / kernel, _known(image.kernel))
        shutil.copyfile(tree.root / ramdisk, _known(image.ramdisk))
        progress("writing the disk")
        plan = disk.DiskPlan(
            label=LABEL,
            size_mib=DISK_MIB,
            kernel=f"/{kernel}",
            ramdisk=f"/{ramdisk}",
            command_line=COMMAND_LINE,
            journal_mib=32,
        )
        disk.to_qcow2(disk.make_raw(tree, plan, work), image.disk, compress=True)
        packages = _packages(tree.root / DPKG_STATUS)
    write_manifest(image, packages)
    progress(f"{image.disk.name}: {image.disk.stat().st_size / 1e6:.0f} MB")
    return image


def unpack_system(archive: Path, root: Path) -> GuestTree:
    """Unpack a system's tar into a tree, owners and modes noted rather than set. Device nodes are left out:
    the guest's kernel makes its own."""
    tree = GuestTree(root)
    with tarfile.open(archive) as tar:
        for member in tar:
            path = "/" + member.name.removeprefix("./").strip("/")
            if path == "/" or member.isdev():
                continue
            if ".." in path.split("/"):
                raise BuildFailed(f"the system's archive holds the path {path}")
            _unpack_member(tar, member, path, tree)
            tree.attributes[path] = Attributes(member.mode & 0o7777, member.uid, member.gid)
    return tree


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, tree: GuestTree) -> None:
    if member.isdir():
        tree.directory(path)
    elif member.issym():
        tree.link(path, member.linkname)
    elif member.islnk():
        source = "/" + member.linkname.removeprefix("./").lstrip("/")
        tree.hard_link(path, source)
    elif member.isfile():
        content = tar.extractfile(member)
        tree.write(path, content.read() if content else b"")


def _bootstrap(work: Path) -> Path:
    archive = work / "system.tar"
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    hooks = [
        'chroot "$1" systemctl enable serial-getty@ttyS0.service',
        'rm -f "$1"/etc/ssh/ssh_host_*',
    ]
    run(
        [
            "mmdebstrap",
            "--variant=minbase",
            '--aptopt=Acquire::Retries "3"',
            '--aptopt=Apt::Install-Recommends "false"',
            *options,
            f"--include={','.join(PACKAGES)}",
            *(f"--customize-hook={hook}" for hook in hooks),
            SUITE,
            archive,
        ]
    )
    return archive


def _boot_files(tree: GuestTree) -> tuple[str, str]:
    """Paths, relative to the root, of the kernel and its initial RAM file system."""
    found = [sorted(tree.root.glob(pattern)) for pattern in ("boot/vmlinuz-*", "boot/initrd.img-*")]
    if not all(found):
        raise BuildFailed("the system came without a kernel")
    kernel, ramdisk = (str(paths[-1].relative_to(tree.root)) for paths in found)
    return kernel, ramdisk


def _packages(status: Path) -> list[Package]:
    packages = []
    for paragraph in status.read_text().split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " "
        )
        if fields.get("Status") == "install ok installed":
            packages.append(Package(fields["Package"], fields["Version"], fields["Architecture"]))
    return packages


def _known(path: Path | None) -> Path:
    assert path is not None
    return path
