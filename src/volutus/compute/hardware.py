"""The machine that a server is shown, as its image and its flavor ask for it, in Nova's words.

An image says `hw_firmware_type`, a flavor `hw:firmware_type`; where both speak the flavor counts, because the
operator wrote it. What cannot be had is refused when it is ordered, and not found out by the host.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from volutus.errors import Invalid
from volutus.wire import CpuTopology, Firmware, GuestDisk, GuestHardware

# Bus to the first letters of a device's name on it.
BUSES = {"virtio": "vd", "scsi": "sd", "usb": "sd", "sata": "sd", "ide": "hd"}
NIC_MODELS = ("virtio", "e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet", "vmxnet3")
VIDEO_MODELS = ("vga", "virtio", "cirrus", "none")
TPM_MODELS = ("tpm-crb", "tpm-tis")
WATCHDOG_ACTIONS = ("disabled", "reset", "poweroff", "pause", "none")
CPU_MODELS = (
    *(
        "qemu64",
        "Conroe",
        "Penryn",
        "Nehalem",
        "Westmere",
        "SandyBridge",
        "IvyBridge",
        "Haswell",
        "Broadwell",
    ),
    *("Skylake-Client", "Skylake-Server", "Cascadelake-Server", "Icelake-Server"),
    *(
        "Opteron_G1",
        "Opteron_G2",
        "Opteron_G3",
        "Opteron_G4",
        "Opteron_G5",
        "EPYC",
        "EPYC-Rome",
        "EPYC-Milan",
    ),
)
# A guest that can grow reserves page tables and slots for the most it could have; four times is cheap.
GROWTH = 4
# A memory module is this large, and a multiple of it: Linux takes memory on line in blocks of 128 MiB.
MODULE_MIB = 128
NUMA_NODES_MAX = 8
# What x86 has, by Nova's words; `large` is the size of which any host with pages has some.
PAGE_SIZES_KIB = {
    "small": 0,
    "any": 0,
    "4": 0,
    "4KB": 0,
    "large": 2048,
    "2048": 2048,
    "2MB": 2048,
    "1048576": 1048576,
    "1GB": 1048576,
}
# Nova's name of a flavor's wish for devices: classes are named by the agents of hosts that have them.
DEVICES_SPEC = "pci_passthrough:alias"
_YES = {
    "true": True,
    "yes": True,
    "1": True,
    "on": True,
    "false": False,
    "no": False,
    "0": False,
    "off": False,
}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Shape:
    """What of a server its machine depends on. `image_format` is empty where it boots from a volume."""

    properties: Mapping[str, Any]
    extra_specs: Mapping[str, str]
    cores: int
    memory_mib: int
    image_format: str = ""


def of(shape: Shape) -> GuestHardware:
    """The machine for a server. Raises Invalid naming the property that cannot be had."""
    asked = _Asked(shape)
    asked.bus("disk_bus", "virtio")
    nic_model(shape)
    machine = asked.machine()
    return GuestHardware(
        machine=machine,
        firmware=asked.firmware(machine),
        cpu_model=asked.one_of("cpu_model", CPU_MODELS, ""),
        topology=asked.topology(),
        numa_nodes=asked.numa_nodes(),
        cdrom_bus=asked.bus("cdrom_bus", "sata" if machine == "q35" else "ide"),
        video_model=asked.one_of("video_model", VIDEO_MODELS, "vga"),
        tpm_model=asked.tpm_model(),
        watchdog_action=asked.watchdog_action(),
        rng=asked.may_have_rng(),
        tablet=asked.value("pointer_model") == "usbtablet" or asked.value("input_bus") == "usb",
        boot_menu=asked.flag("boot_menu"),
        boots_network=asked.flag("boot_network"),
        cores_max=min(shape.cores * GROWTH, 255) if asked.grows() else 0,
        memory_mib_max=shape.memory_mib * GROWTH if asked.grows() else 0,
        page_size_kib=asked.page_size_kib(),
        devices=asked.devices(),
    )


def resources(machine: GuestHardware, memory_mib: int) -> dict[str, int]:
    """What the machine takes of its host besides MHz, cores, memory and disk, as hosts count it."""
    taken = {f"pci:{name}": count for name, count in machine.devices.items()}
    if machine.page_size_kib:
        taken[f"pages:{machine.page_size_kib}"] = memory_mib * 1024 // machine.page_size_kib
    return taken


def nic_model(shape: Shape) -> str:
    """What the server's cards are. Raises Invalid."""
    return _Asked(shape).one_of("vif_model", NIC_MODELS, "virtio")


def check_disk(shape: Shape, device_type: str | None, bus: str | None) -> None:
    """Whether a disk can be plugged in so. Raises Invalid."""
    if device_type not in (None, "disk", "cdrom"):
        raise Invalid(f"device_type {device_type} is not one of disk, cdrom.", field="device_type")
    if bus is not None and bus not in BUSES:
        raise Invalid(f"disk_bus {bus} is not one of {', '.join(BUSES)}.", field="disk_bus")
    if bus == "ide" and _Asked(shape).machine() == "q35":
        raise Invalid("disk_bus ide is of the machine pc: q35 has sata.", field="disk_bus")
    if bus == "virtio" and device_type == "cdrom":
        raise Invalid("A CD-ROM is on ide, sata, scsi or usb.", field="disk_bus")


def grows_live(old: Shape, new: Shape, cores_max: int, memory_mib_max: int) -> bool:
    """Whether a running guest of the old shape can be given the new one: more cores and memory, up to the
    most that it was started for, and the same machine otherwise."""
    added = new.memory_mib - old.memory_mib
    enough = old.cores <= new.cores <= max(cores_max, old.cores)
    fits = 0 <= added <= max(memory_mib_max - old.memory_mib, 0) and added % MODULE_MIB == 0
    return enough and fits and _kind(old) == _kind(new)


def _kind(shape: Shape) -> GuestHardware:
    return replace(of(shape), cores_max=0, memory_mib_max=0)


def placed(shape: Shape, hardware: GuestHardware, disks: Sequence[GuestDisk]) -> list[GuestDisk]:
    """The same disks, on the bus that the image asks for where they have none. An ISO image is a CD-ROM, and
    booted after what is installed from it: an empty disk boots nothing, so that the first start comes to the
    installer."""
    bus = _Asked(shape).bus("disk_bus", "virtio")
    moved, names = [], {prefix: iter(_LETTERS) for prefix in BUSES.values()}
    for disk in disks:
        is_installer = shape.image_format == "iso" and disk.boot_index == 0
        is_cdrom = is_installer or disk.device == "cdrom"
        disk_bus = disk.bus or (hardware.cdrom_bus if is_cdrom else bus)
        prefix = BUSES[disk_bus]
        kept = disk.target.startswith(prefix) and shape.image_format != "iso"
        target = disk.target if kept else f"{prefix}{next(names[prefix])}"
        changed = replace(disk, bus=disk_bus, target=target)
        moved.append(replace(changed, device="cdrom", read_only=True) if is_installer else changed)
    if shape.image_format != "iso":
        return moved
    order = [disk for disk in moved if disk.device != "cdrom"] + [d for d in moved if d.device == "cdrom"]
    return [replace(disk, boot_index=index) for index, disk in enumerate(order)]


class _Asked:
    """What the image and the flavor say, by the name both share."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def value(self, name: str) -> str | None:
        """What is asked of `hw:NAME` or `hw_NAME`."""
        return self._of(f"hw:{name}", f"hw_{name}")

    def one_of(self, name: str, possible: Sequence[str], default: str) -> str:
        value = self.value(name) or default
        if value and value not in possible:
            raise Invalid(f"hw_{name} {value} is not one of {', '.join(possible)}.", field=f"hw_{name}")
        return value

    def bus(self, name: str, default: str) -> str:
        bus = self.one_of(name, tuple(BUSES), default)
        if bus == "ide" and self.machine() == "q35":
            raise Invalid(f"hw_{name} ide is of the machine pc: q35 has sata.", field=f"hw_{name}")
        return bus

    def flag(self, name: str) -> bool:
        return _truth(self.value(name) or "false", f"hw_{name}")

    def may_have_rng(self) -> bool:
        """A source of random numbers is there unless the flavor forbids it."""
        return _truth(self.shape.extra_specs.get("hw_rng:allowed", "true"), "hw_rng:allowed")

    def machine(self) -> str:
        """`pc-q35-7.2` and the like are kept to their family: hosts have one version of each."""
        default = "q35" if self._secure_boot() else "pc"
        value = self.value("machine_type") or default
        if value == "q35" or value.startswith("pc-q35"):
            return "q35"
        if value == "pc" or value.startswith("pc-i440fx"):
            return "pc"
        raise Invalid(f"hw_machine_type {value} is not one of pc, q35.", field="hw_machine_type")

    def firmware(self, machine: str) -> Firmware:
        secure = self._secure_boot()
        kind = self.one_of("firmware_type", ("bios", "uefi"), "uefi" if secure else "bios")
        if secure and (kind != "uefi" or machine != "q35"):
            raise Invalid("os_secure_boot needs hw_firmware_type uefi on q35.", field="os_secure_boot")
        return Firmware.SECURE_UEFI if secure else Firmware(kind)

    def _secure_boot(self) -> bool:
        value = self._of("os:secure_boot", "os_secure_boot") or "disabled"
        if value not in ("required", "optional", "disabled"):
            raise Invalid("os_secure_boot is required, optional or disabled.", field="os_secure_boot")
        return value == "required"

    def topology(self) -> CpuTopology | None:
        """What is not said follows from the rest: cores first, then sockets."""
        cores = self.shape.cores
        said = {name: self._number(f"cpu_{name}", cores) for name in ("sockets", "cores", "threads")}
        if not any(said.values()):
            return None
        threads = said["threads"] or 1
        sockets = said["sockets"] or max(cores // ((said["cores"] or cores // threads) * threads), 1)
        each = said["cores"] or max(cores // (sockets * threads), 1)
        if sockets * each * threads != cores:
            raise Invalid(
                f"{sockets} sockets of {each} cores of {threads} threads are not {cores} cores.",
                field="hw_cpu_sockets",
            )
        return CpuTopology(sockets=sockets, cores=each, threads=threads)

    def numa_nodes(self) -> int:
        nodes = self._number("numa_nodes", NUMA_NODES_MAX) or 1
        if self.shape.cores % nodes or self.shape.memory_mib % nodes:
            raise Invalid(
                f"{self.shape.cores} cores and {self.shape.memory_mib} MiB are not for {nodes} equal nodes.",
                field="hw:numa_nodes",
            )
        return nodes

    def tpm_model(self) -> str:
        model = self.one_of("tpm_model", TPM_MODELS, "tpm-crb" if self.value("tpm_version") else "")
        if model:
            self.one_of("tpm_version", ("2.0",), "2.0")
        return model

    def watchdog_action(self) -> str:
        action = self.one_of("watchdog_action", WATCHDOG_ACTIONS, "disabled")
        return "" if action == "disabled" else action

    def grows(self) -> bool:
        """Nodes of equal size and a layout of sockets would not stay so."""
        plain = self.numa_nodes() == 1 and self.topology() is None and not self.page_size_kib()
        return self.flag("live_resize") and plain and not self.devices()

    def page_size_kib(self) -> int:
        """Of pages that hosts keep for guests; 0 for the ordinary ones."""
        value = self.value("mem_page_size") or "small"
        if value not in PAGE_SIZES_KIB:
            raise Invalid(
                f"hw_mem_page_size {value} is not one of {', '.join(PAGE_SIZES_KIB)}.",
                field="hw:mem_page_size",
            )
        size = PAGE_SIZES_KIB[value]
        if size and self.shape.memory_mib * 1024 % (size * self.numa_nodes()):
            raise Invalid(
                f"{self.shape.memory_mib} MiB are not whole pages of {size} KiB.", field="hw:mem_page_size"
            )
        return size

    def devices(self) -> dict[str, int]:
        """Classes of PCI devices of the host, and how many of each: only a flavor can ask for them."""
        found: dict[str, int] = {}
        for part in self.shape.extra_specs.get(DEVICES_SPEC, "").split(","):
            name, _, count = part.strip().partition(":")
            if not name:
                continue
            if not name.isidentifier() or not (count.isascii() and count.isdigit() and 0 < int(count) <= 16):
                raise Invalid(f"{DEVICES_SPEC} is NAME:COUNT, not {part}.", field=DEVICES_SPEC)
            found[name] = found.get(name, 0) + int(count)
        return found

    def _number(self, name: str, maximum: int) -> int:
        value = self.value(name)
        if value is None:
            return 0
        if not (value.isascii() and value.isdigit() and 0 < int(value) <= maximum):
            raise Invalid(f"hw_{name} is a number from 1 to {maximum}.", field=f"hw_{name}")
        return int(value)

    def _of(self, spec: str, image_property: str) -> str | None:
        value = self.shape.extra_specs.get(spec, self.shape.properties.get(image_property))
        return None if value is None else str(value)


def _truth(value: str, field: str) -> bool:
    if value.lower() not in _YES:
        raise Invalid(f"{field} is true or false.", field=field)
    return _YES[value.lower()]
