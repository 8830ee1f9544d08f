"""How `micro` is put together: Debian's cloud kernel, busybox, dropbear and a few real tools.

What the guest does with its metadata is in `files/`, not here.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from volutus.imagebuild import disk, initramfs
from volutus.imagebuild.built import BuiltImage, Package, Progress, write_manifest
from volutus.imagebuild.kernel import Kernel, open_kernel
from volutus.imagebuild.packages import open_archive, unpack
from volutus.imagebuild.tools import run
from volutus.imagebuild.tree import GuestTree, Programs

KERNEL_METAPACKAGE = "linux-image-cloud-amd64"
KERNEL_PATTERN = r"linux-image-[0-9].*-cloud-amd64"
PACKAGES = (
    "busybox",
    "busybox-static",
    "dosfstools",
    "dropbear-bin",
    "e2fsprogs",
    "fdisk",
    "iputils-ping",
    "libpam-modules",
    "mount",
    "qemu-guest-agent",
    "sudo",
    "util-linux",
    "util-linux-extra",
)
# Real programs where busybox has none, or one whose options or output differ from what scripts expect.
PROGRAMS = (
    "/usr/sbin/dropbear",
    "/usr/bin/dropbearkey",
    "/usr/bin/dbclient",
    "/usr/bin/sudo",
    "/usr/sbin/qemu-ga",
    "/sbin/mke2fs",
    "/sbin/resize2fs",
    "/sbin/e2fsck",
    "/sbin/sfdisk",
    "/sbin/blkid",
    "/sbin/findfs",
    "/sbin/mkfs",
    "/sbin/mkfs.vfat",
    "/sbin/mkswap",
    "/bin/findmnt",
    "/bin/lsblk",
    "/bin/lscpu",
    "/bin/ping",
    "/usr/bin/partx",
)
# sudo opens its plug-ins by name, so nothing that reads ELF headers would find them.
SUDO_PLUGINS = ("sudoers.so", "libsudo_util.so.0")
PAM_MODULES = ("pam_permit.so", "pam_deny.so")
# Loaded by the initial RAM file system: without them there is no root.
BOOT_MODULES = ("virtio_pci", "virtio_blk")
OTHER_BOOT_MODULES = ("virtio_scsi", "sd_mod", "ata_piix", "ahci")
MODULES = (
    *BOOT_MODULES, *OTHER_BOOT_MODULES,
    "virtio_net", "virtio_balloon", "virtio_rng", "virtio_console", "virtio_mem",
    "e1000", "e1000e", "sr_mod", "isofs", "vfat", "nls_cp437", "nls_ascii", "nls_utf8",
    "button", "evdev", "pvpanic_pci", "vmw_vsock_virtio_transport",
    "8021q", "bridge", "dm_mod", "fuse", "virtiofs",
)  # fmt: skip
DIRECTORIES = (
    "/dev", "/proc", "/sys", "/run", "/mnt", "/media", "/boot", "/etc/dropbear", "/etc/sudoers.d",
    "/usr/bin", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/share", "/var/lib/volutus", "/var/log",
)  # fmt: skip
LOADER = "/lib64/ld-linux-x86-64.so.2"

USER = "volutus"
USER_ID = 1000
LABEL = "volutus-root"
# Memory plugged in later comes up by itself.
COMMAND_LINE = (
    f"root=LABEL={LABEL} console=tty1 console=ttyS0 quiet "
    "memhp_default_state=online_movable tsc=reliable no_timer_check"
)
DISK_MIB = 128
MIN_DISK_GIB = 1
MIN_RAM_MIB = 128
HERE = Path(__file__).parent


def build_micro(out: Path, progress: Progress) -> BuiltImage:
    """Build the disk, kernel, initial RAM file system and manifest into `out`."""
    with tempfile.TemporaryDirectory(dir=out, prefix=".micro-") as directory:
        work = Path(directory)
        packages = _gather(work, progress)
        progress("gathering the root file system")
        kernel = open_kernel(work / "kernel")
        tree = _tree(work, kernel)
        image = _image(out)
        _write_boot_files(image, kernel, tree, work)
        progress("writing the disk")
        plan = disk.DiskPlan(
            label=LABEL,
            size_mib=DISK_MIB,
            kernel="/boot/vmlinuz",
            ramdisk="/boot/initrd",
            command_line=COMMAND_LINE,
        )
        # Uncompressed: guests read it under emulation, and 20 MB of disk are cheaper than their time.
        disk.to_qcow2(disk.make_raw(tree, plan, work), image.disk, compress=False)
    write_manifest(image, packages)
    progress(f"{image.disk.name}: {image.disk.stat().st_size / 1e6:.0f} MB")
    return image


def _image(out: Path) -> BuiltImage:
    return BuiltImage(
        name="micro",
        disk=out / "micro.qcow2",
        kernel=out / "micro-vmlinuz",
        ramdisk=out / "micro-initrd",
        kernel_command_line=COMMAND_LINE,
        default_user=USER,
        min_disk_gib=MIN_DISK_GIB,
        min_ram_mib=MIN_RAM_MIB,
        manifest=out / "micro.manifest.json",
    )


def _gather(work: Path, progress: Progress) -> list[Package]:
    """Download, unpack: the kernel into `kernel/`, the shared busybox into `shell/`, others into `stage/`."""
    archive = open_archive(work / "apt", progress)
    kernel = archive.dependency(KERNEL_METAPACKAGE, KERNEL_PATTERN)
    debs = work / "debs"
    progress("downloading packages")
    packages = archive.download([*archive.with_libraries(PACKAGES), kernel], debs)
    progress(f"unpacking {len(packages)} packages")
    homes = {kernel: "kernel", "busybox": "shell"}
    for package in packages:
        unpack(debs, package.name, work / homes.get(package.name, "stage"))
    shutil.rmtree(debs)
    return packages


def _tree(work: Path, kernel: Kernel) -> GuestTree:
    tree = GuestTree(work / "root")
    for path in DIRECTORIES:
        tree.directory(path)
    for path in ("bin", "sbin", "lib", "lib64"):
        tree.link(f"/{path}", f"usr/{path}")
    # One directory of programs: a command given to SSH gets a PATH without sbin, and would not find `ip`.
    tree.link("/usr/sbin", "bin")
    for path in ("/tmp", "/var/tmp"):  # noqa: S108 - the guest's own
        tree.directory(path, 0o1777)
    tree.link("/var/run", "/run")
    tree.link("/etc/mtab", "/proc/self/mounts")
    tree.directory("/root", 0o700)
    tree.directory(f"/home/{USER}")
    tree.change(f"/home/{USER}", owner=USER_ID)
    _add_programs(work, tree)
    kernel.install_modules(MODULES, tree)
    _lay_files(tree)
    return tree


def _add_programs(work: Path, tree: GuestTree) -> None:
    stage = work / "stage"
    programs = Programs(stage, tree)
    programs.add(LOADER)
    # Start-up scripts run in the static busybox, which starts twice as fast under emulation. /bin/sh is the
    # shared one: the static one's shell takes its own applets (ping, mkfs ...) before looking in PATH.
    programs.add("/bin/busybox")
    programs.add_file(work / "shell/bin/busybox", "/usr/bin/busybox.shared")
    for applet in run([stage / "bin/busybox", "--list-full"]).split():
        path = "/usr/" + applet.removeprefix("usr/")
        if path.startswith(("/usr/bin/", "/usr/sbin/")) and not tree.has(path):
            tree.link(path, "/usr/bin/busybox")
    for name in ("sh", "ash"):
        tree.link(f"/usr/bin/{name}", "busybox.shared")
    for path in PROGRAMS:
        programs.add(path)
    for name in SUDO_PLUGINS:
        programs.add(f"/usr/libexec/sudo/{name}")
    for name in PAM_MODULES:
        programs.add(f"/usr/lib/x86_64-linux-gnu/security/{name}")
    tree.change("/usr/bin/sudo", mode=0o4755)
    tree.link("/usr/bin/ping6", "ping")
    for system in ("ext2", "ext3", "ext4"):
        tree.link(f"/usr/sbin/mkfs.{system}", "mke2fs")
    tree.copy(stage / "etc/mke2fs.conf", "/etc/mke2fs.conf", 0o644)


def _lay_files(tree: GuestTree) -> None:
    for source in sorted(HERE.joinpath("files").rglob("*")):
        if source.is_file():
            content = source.read_bytes()
            path = "/" + str(source.relative_to(HERE / "files"))
            # Installing a Python package loses the executable bit, so the first line decides.
            tree.write(path, content, 0o755 if content.startswith(b"#!") else 0o644)
    tree.change("/etc/shadow", mode=0o600)
    tree.change("/etc/sudoers", mode=0o440)


def _write_boot_files(image: BuiltImage, kernel: Kernel, tree: GuestTree, work: Path) -> None:
    """The kernel and initial RAM file system, beside the disk for direct boot and inside it for GRUB."""
    assert image.kernel is not None and image.ramdisk is not None
    shutil.copyfile(kernel.image, image.kernel)
    image.ramdisk.write_bytes(initramfs.archive(_ramdisk_members(kernel, work)))
    tree.copy(image.kernel, "/boot/vmlinuz", 0o644)
    tree.copy(image.ramdisk, "/boot/initrd", 0o644)


def _ramdisk_members(kernel: Kernel, work: Path) -> Iterator[initramfs.Member]:
    yield from initramfs.directories(["bin", "dev", "proc", "sys", "new", "virtio", "others"])
    yield initramfs.file("bin/busybox", (work / "stage/bin/busybox").read_bytes(), 0o755)
    yield initramfs.file("init", (HERE / "initrd/init").read_bytes(), 0o755)
    virtio = kernel.loading_order(BOOT_MODULES)
    others = [path for path in kernel.loading_order(OTHER_BOOT_MODULES) if path not in virtio]
    for directory, modules in (("virtio", virtio), ("others", others)):
        for number, path in enumerate(modules):
            yield initramfs.file(f"{directory}/{number:02}-{path.name}", path.read_bytes())
