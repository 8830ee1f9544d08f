"""The XML of guests and their devices for libvirt. Pure: paths come in as QEMU sees them.

Devices carry an alias made of our own id (`ua-` is libvirt's prefix for a user's aliases), so that what is
plugged in can be read back, and unplugged, without keeping a list beside libvirt's.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from volutus.agent.hypervisor import hardware_xml
from volutus.agent.hypervisor.hardware_xml import text
from volutus.agent.storage import DiskLocation, RbdImage
from volutus.wire import DiskLimits, GuestDisk, GuestNic, GuestSpec

NAMESPACE = "urn:volutus:guest"
DISK_ALIAS = "ua-disk-"
NIC_ALIAS = "ua-nic-"

# A guest that used up its share waits for the rest of a period, so periods are short: 50 ms is not felt in
# a shell. The kernel takes no quota below 1 ms, so the slowest guest has 2 % of one core.
PERIOD_US = 50_000
QUOTA_US_MIN = 1_000
# Long enough to press a key over VNC.
BOOT_MENU_MS = 5_000

# Partial checksums pass from guest to guest unfinished where the switch is not the kernel's: TCP then stalls
# while ping works. So the card must not offer to leave them, nor segmentation, to anyone.
_OFFLOADS_HOST = ("csum", "gso", "tso4", "tso6", "ecn", "ufo")
_OFFLOADS_GUEST = ("csum", "tso4", "tso6", "ecn", "ufo")


@dataclass(frozen=True)
class Machine:
    """What all guests of a host have in common, and what PCI devices of the host they can have, by class."""

    accelerator: str
    host_mhz: int
    offloads: bool
    disk_cache: str = "none"
    devices: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class GuestPaths:
    """The guest's own files, as QEMU sees them."""

    vnc: Path
    serial: Path
    console_log: Path
    config_drive: Path | None
    kernel: Path | None
    ramdisk: Path | None
    nvram: Path | None = None


def cpu_quota_us(mhz: int, host_mhz: int) -> int:
    """CPU time per period for the whole guest: its cores together, and the emulator, get `mhz`."""
    return max(QUOTA_US_MIN, mhz * PERIOD_US // host_mhz)


def cpu_shares(mhz: int) -> int:
    """The guest's weight when the host is full: proportional to what was ordered, within what both versions
    of cgroups take."""
    return min(max(mhz // 10, 2), 10_000)


def domain(
    spec: GuestSpec,
    machine: Machine,
    disks: Mapping[str, DiskLocation],
    taps: Mapping[str, str],
    paths: GuestPaths,
    devices_of_host: Sequence[str] = (),
) -> str:
    """A whole guest; `devices_of_host` are the addresses of PCI devices that it gets."""
    root = Element("domain", type="kvm" if machine.accelerator == "kvm" else "qemu")
    text(root, "name", spec.id)
    text(root, "uuid", spec.id)
    metadata = SubElement(root, "metadata")
    metadata.append(mhz_element(spec.mhz))
    hardware_xml.size(root, spec)
    hardware_xml.pages(root, spec.hardware)
    _cputune(root, spec, machine)
    _firmware(root, spec, paths)
    hardware_xml.features(root, spec, machine.accelerator)
    devices = SubElement(root, "devices")
    text(devices, "emulator", "/usr/bin/qemu-system-x86_64")
    hardware_xml.controllers(devices, spec)
    for disk in spec.disks:
        devices.append(disk_element(disk, disks[disk.disk_id], machine))
    if paths.config_drive is not None:
        _config_drive(devices, paths.config_drive, spec.hardware.machine)
    last = max((disk.boot_index or 0 for disk in spec.disks), default=0)
    for number, nic in enumerate(spec.nics):
        element = nic_element(nic, taps[nic.port_id], machine)
        if spec.hardware.boots_network:
            SubElement(element, "boot", order=str(last + number + 2))
        devices.append(element)
    _consoles(devices, paths)
    hardware_xml.extras(devices, spec.hardware)
    hardware_xml.passed_through(devices, devices_of_host)
    return tostring(root, encoding="unicode")


def mhz_element(mhz: int) -> Element:
    """The note in the domain's metadata of the bound in force."""
    return Element(f"{{{NAMESPACE}}}cpu", mhz=str(mhz))


def disk_element(disk: GuestDisk, location: DiskLocation, machine: Machine) -> Element:
    """A disk. A full pool pauses the guest instead of failing its writes: see `ResumeGuest`."""
    rbd = isinstance(location.place, RbdImage)
    element = Element("disk", type="network" if rbd else "file", device=disk.device)
    SubElement(
        element,
        "driver",
        name="qemu",
        type=location.format,
        cache=machine.disk_cache,
        error_policy="enospace",
        discard="unmap",
        detect_zeroes="unmap",
    )
    source = SubElement(element, "source")
    if isinstance(location.place, RbdImage):
        _rbd_source(source, location.place)
    else:
        source.set("file", str(location.place))
    if location.encrypted:
        source.append(encryption(disk.disk_id))
    SubElement(element, "target", dev=disk.target, bus=disk.bus)
    if disk.limits is not None:
        element.append(limits_element(disk.limits))
    if disk.read_only:
        SubElement(element, "readonly")
    if disk.shared:
        SubElement(element, "shareable")
    if disk.serial:
        text(element, "serial", disk.serial[:20])
    if disk.boot_index is not None:
        SubElement(element, "boot", order=str(disk.boot_index + 1))
    SubElement(element, "alias", name=DISK_ALIAS + disk.disk_id)
    return element


def _rbd_source(source: Element, image: RbdImage) -> None:
    source.set("protocol", "rbd")
    source.set("name", f"{image.pool}/{image.name}")
    # The monitors are in the file, which has no secret.
    SubElement(source, "config", file=str(image.conf))
    user = SubElement(source, "auth", username=image.user)
    SubElement(user, "secret", type="ceph", uuid=_cluster_secret_id(image))


def encryption(disk_id: str) -> Element:
    """By which secret QEMU opens an encrypted disk, or a copy of it."""
    element = Element("encryption", format="luks")
    SubElement(element, "secret", type="passphrase", uuid=disk_id)
    return element


def secret(disk_id: str) -> str:
    """The definition of a disk's key: kept in memory alone, and not to be asked for."""
    root = Element("secret", ephemeral="yes", private="yes")
    text(root, "uuid", disk_id)
    usage = SubElement(root, "usage", type="volume")
    text(usage, "volume", disk_id)
    return tostring(root, encoding="unicode")


def cluster_secret(image: RbdImage) -> str:
    """The definition of the key by which Ceph knows the user, kept like a disk's key."""
    root = Element("secret", ephemeral="yes", private="yes")
    text(root, "uuid", _cluster_secret_id(image))
    usage = SubElement(root, "usage", type="ceph")
    text(usage, "name", f"client.{image.user}")
    return tostring(root, encoding="unicode")


def _cluster_secret_id(image: RbdImage) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"ceph:{image.user}"))


def limits_element(limits: DiskLimits) -> Element:
    """What QEMU lets through a second."""
    element = Element("iotune")
    named = {
        "total_bytes_sec": limits.total_bytes,
        "read_bytes_sec": limits.read_bytes,
        "write_bytes_sec": limits.write_bytes,
        "total_iops_sec": limits.total_operations,
        "read_iops_sec": limits.read_operations,
        "write_iops_sec": limits.write_operations,
    }
    for name, value in named.items():
        if value:
            text(element, name, str(value))
    return element


def nic_element(nic: GuestNic, tap: str, machine: Machine) -> Element:
    """A network card on a tap that exists already."""
    element = Element("interface", type="ethernet")
    SubElement(element, "mac", address=nic.mac)
    SubElement(element, "target", dev=tap, managed="no")
    SubElement(element, "model", type=nic.model)
    if nic.model == "virtio" and not machine.offloads:
        driver = SubElement(element, "driver")
        SubElement(driver, "host", dict.fromkeys(_OFFLOADS_HOST, "off"))
        SubElement(driver, "guest", dict.fromkeys(_OFFLOADS_GUEST, "off"))
    SubElement(element, "mtu", size=str(nic.mtu))
    SubElement(element, "alias", name=NIC_ALIAS + nic.port_id)
    return element


def memory_element(size_mib: int) -> Element:
    """A module of memory, to be plugged into a guest that can grow."""
    element = Element("memory", model="dimm")
    target = SubElement(element, "target")
    text(target, "size", str(size_mib), unit="MiB")
    text(target, "node", "0")
    return element


def _cputune(root: Element, spec: GuestSpec, machine: Machine) -> None:
    tune = SubElement(root, "cputune")
    text(tune, "shares", str(cpu_shares(spec.mhz)))
    text(tune, "global_period", str(PERIOD_US))
    text(tune, "global_quota", str(cpu_quota_us(spec.mhz, machine.host_mhz)))


def _firmware(root: Element, spec: GuestSpec, paths: GuestPaths) -> None:
    sysinfo = SubElement(root, "sysinfo", type="smbios")
    system = SubElement(sysinfo, "system")
    for name, value in (
        ("manufacturer", "Volutus"),
        ("product", "OpenStack Nova"),  # What cloud-init looks for before it asks for metadata.
        ("serial", spec.id),
        ("uuid", spec.id),
    ):
        text(system, "entry", value, name=name)
    os = SubElement(root, "os")
    text(os, "type", "hvm", arch="x86_64", machine=spec.hardware.machine)
    hardware_xml.firmware(os, spec.hardware, paths.nvram)
    if paths.kernel is not None:
        text(os, "kernel", str(paths.kernel))
        if paths.ramdisk is not None:
            text(os, "initrd", str(paths.ramdisk))
        if spec.kernel_command_line:
            text(os, "cmdline", spec.kernel_command_line)
    if not any(disk.boot_index is not None for disk in spec.disks) and not spec.hardware.boots_network:
        SubElement(os, "boot", dev="hd")
    if spec.hardware.boot_menu:
        SubElement(os, "bootmenu", enable="yes", timeout=str(BOOT_MENU_MS))
    SubElement(os, "smbios", mode="sysinfo")


def _config_drive(devices: Element, path: Path, machine: str) -> None:
    # A CD-ROM on IDE (or SATA), which every system reads. On virtio it would take a name from the tenant's
    # disks: the first volume would be vdc in the guest and vdb in the API. The last place, so that disks on
    # IDE have the others.
    element = SubElement(devices, "disk", type="file", device="cdrom")
    SubElement(element, "driver", name="qemu", type="raw")
    SubElement(element, "source", file=str(path))
    if machine == "q35":
        SubElement(element, "target", dev="sdz", bus="sata")
        SubElement(element, "address", type="drive", controller="0", bus="0", target="0", unit="5")
    else:
        SubElement(element, "target", dev="hdd", bus="ide")
    SubElement(element, "readonly")


def _consoles(devices: Element, paths: GuestPaths) -> None:
    serial = SubElement(devices, "serial", type="unix")
    SubElement(serial, "source", mode="bind", path=str(paths.serial))
    SubElement(serial, "log", file=str(paths.console_log), append="on")
    SubElement(serial, "target", port="0")
    channel = SubElement(devices, "channel", type="unix")
    SubElement(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    SubElement(devices, "graphics", type="vnc", socket=str(paths.vnc))
    SubElement(devices, "memballoon", model="virtio")
