"""The machine that a guest is shown: what operating systems without virtio drivers, installers and licences
are particular about. Everything has a default that suits a Linux of today.
"""

from enum import Enum

import msgspec


class Firmware(Enum):
    """What starts the guest. `SECURE_UEFI` runs only what is signed."""

    BIOS = "bios"
    UEFI = "uefi"
    SECURE_UEFI = "secure_uefi"


class CpuTopology(msgspec.Struct, frozen=True, kw_only=True):
    """How the cores look: `sockets * cores * threads` are all of them. Some licences count sockets."""

    sockets: int
    cores: int
    threads: int


class GuestHardware(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`machine` is `pc` (PCI, IDE) or `q35` (PCI Express, SATA). `cpu_model` is one of QEMU's names, or empty
    for what the host has. `tpm_model` (`tpm-crb`, `tpm-tis`) and `watchdog_action` (`reset`, `poweroff`,
    `pause`, `none`) are empty for none. `boots_network` tries the cards after the disks. `cores_max` and
    `memory_mib_max` are how far a guest can grow while it runs, 0 for not at all. With `page_size_kib` its
    memory is of pages of that size, which its host keeps for guests. `devices` are PCI devices of the host
    that it gets for itself: class to number."""

    machine: str = "pc"
    firmware: Firmware = Firmware.BIOS
    cpu_model: str = ""
    topology: CpuTopology | None = None
    numa_nodes: int = 1
    cdrom_bus: str = "ide"
    video_model: str = "vga"
    tpm_model: str = ""
    watchdog_action: str = ""
    rng: bool = True
    tablet: bool = False
    boot_menu: bool = False
    boots_network: bool = False
    cores_max: int = 0
    memory_mib_max: int = 0
    page_size_kib: int = 0
    devices: dict[str, int] = {}
