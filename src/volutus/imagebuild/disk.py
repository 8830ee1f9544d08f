"""A bootable disk around a guest's tree: one MBR partition with ext4, GRUB in the gap before it.

No mounting and no loop device: `mke2fs` fills the file system in place, `debugfs` sets owners and modes.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from volutus.imagebuild.built import BuildFailed
from volutus.imagebuild.tools import run
from volutus.imagebuild.tree import GuestTree

MIB = 1 << 20
SECTOR = 512
PARTITION_START = MIB
BOOT_CODE_BYTES = 440
GRUB_BOOT_IMAGE = Path("/usr/lib/grub/i386-pc/boot.img")
GRUB_MODULES = ("biosdisk", "part_msdos", "ext2", "linux")
LINUX_PARTITION = 0x83
# Room for the block group descriptors of a file system of this size, so that it can grow while mounted.
LARGEST_GROWN_GIB = 2048
BLOCK = 4096


@dataclass(frozen=True)
class DiskPlan:
    """What the disk shall be. `kernel` and `ramdisk` are the paths GRUB loads from the guest's root."""

    label: str
    size_mib: int
    kernel: str
    ramdisk: str
    command_line: str
    # Growing writes the whole reserved descriptor table in one transaction, which a journal of 4 MiB refuses.
    journal_mib: int = 8


def make_raw(tree: GuestTree, plan: DiskPlan, work: Path) -> Path:
    """Write the disk as a sparse raw file in `work`."""
    raw = work / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(plan.size_mib * MIB)
    _make_file_system(tree, plan, raw)
    _set_attributes(tree, raw, work)
    _write_boot_loader(plan, raw, work)
    return raw


def to_qcow2(raw: Path, target: Path, *, compress: bool) -> None:
    """Convert, through a temporary name so that a broken build leaves no half image."""
    partial = target.with_name(target.name + ".partial")
    options = ["-c", "-o", "compression_type=zstd"] if compress else []
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, raw, partial])
    partial.replace(target)


def _make_file_system(tree: GuestTree, plan: DiskPlan, raw: Path) -> None:
    size_kib = (plan.size_mib * MIB - PARTITION_START) // 1024
    extended = f"offset={PARTITION_START},root_owner=0:0,lazy_itable_init=0,resize={LARGEST_GROWN_GIB << 18}"
    # Small disks would get blocks of 1 KiB, which limits how far they can grow.
    command = [
        "mke2fs",
        "-q",
        "-F",
        "-t",
        "ext4",
        "-b",
        str(BLOCK),
        "-m",
        "0",
        "-J",
        f"size={plan.journal_mib}",
    ]
    run([*command, "-L", plan.label, "-E", extended, "-d", tree.root, raw, f"{size_kib}k"])


def _set_attributes(tree: GuestTree, raw: Path, work: Path) -> None:
    script = work / "debugfs.script"
    with script.open("w") as out:
        for path, mode, attributes in tree.entries():
            out.write(f'sif "{path}" mode 0{mode:o}\n')
            out.write(f'sif "{path}" uid {attributes.uid}\nsif "{path}" gid {attributes.gid}\n')
    command = ["debugfs", "-w", "-f", str(script), f"{raw}?offset={PARTITION_START}"]
    # It ends with success whatever its commands met, and says so after a line with its version.
    run(command, stderr_lines_max=1)


def _write_boot_loader(plan: DiskPlan, raw: Path, work: Path) -> None:
    config = work / "grub.cfg"
    config.write_text(
        "set timeout=0\n"
        f"linux (hd0,msdos1){plan.kernel} {plan.command_line}\n"
        f"initrd (hd0,msdos1){plan.ramdisk}\n"
        "boot\n"
    )
    core = work / "core.img"
    command = ["grub-mkimage", "-O", "i386-pc", "-p", "(hd0,msdos1)/boot", "-c", str(config), "-o", str(core)]
    run([*command, *GRUB_MODULES])
    if not GRUB_BOOT_IMAGE.exists():
        raise BuildFailed("GRUB for BIOS is not installed: apt-get install grub-pc-bin")
    if core.stat().st_size > PARTITION_START - SECTOR:
        raise BuildFailed("GRUB does not fit before the first partition")
    with raw.open("r+b") as file:
        file.write(GRUB_BOOT_IMAGE.read_bytes()[:BOOT_CODE_BYTES])
        file.seek(446)
        file.write(_partition_entry(plan))
        file.seek(SECTOR - 2)
        file.write(b"\x55\xaa")
        # boot.img loads the core from the sector after its own unless told otherwise.
        file.write(core.read_bytes())


def _partition_entry(plan: DiskPlan) -> bytes:
    """Active, Linux, whole disk. The cylinder numbers are the "too large, use sectors" ones."""
    start, length = PARTITION_START // SECTOR, (plan.size_mib * MIB - PARTITION_START) // SECTOR
    return struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", LINUX_PARTITION, b"\xfe\xff\xff", start, length)
