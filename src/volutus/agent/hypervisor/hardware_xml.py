"""The parts of a guest's XML that say what kind of machine it is shown: firmware, processor, chips. Pure."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from volutus.wire import Firmware, GuestHardware, GuestSpec

# Where Debian's `ovmf` has UEFI, and the variables a new machine of each kind begins with. Those for secure
# boot hold Microsoft's keys, by which Windows and the shims of Linux distributions are signed.
_CODE = {
    Firmware.UEFI: "/usr/share/OVMF/OVMF_CODE_4M.fd",
    Firmware.SECURE_UEFI: "/usr/share/OVMF/OVMF_CODE_4M.ms.fd",
}
VARIABLES = {
    Firmware.UEFI: Path("/usr/share/OVMF/OVMF_VARS_4M.fd"),
    Firmware.SECURE_UEFI: Path("/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
}
# QEMU's translation cache takes 1 GiB if it can get it; measured, 48 MiB is as fast for a small guest.
TCG_CACHE_MIB = 48
# On PCI Express each device needs a port of its own, and one that is to be plugged in a free one.
PCIE_PORTS = 24
# What a guest that can grow takes in; QEMU has no more than 256 in all.
MEMORY_SLOTS = 32


def size(root: Element, spec: GuestSpec) -> None:
    """Memory and cores, and how far they can grow."""
    hardware = spec.hardware
    if hardware.memory_mib_max:
        text(root, "maxMemory", str(hardware.memory_mib_max), unit="MiB", slots=str(MEMORY_SLOTS))
    text(root, "memory", str(spec.memory_mib), unit="MiB")
    if hardware.cores_max:
        text(root, "vcpu", str(hardware.cores_max), current=str(spec.cores))
    else:
        text(root, "vcpu", str(spec.cores))


def pages(root: Element, hardware: GuestHardware) -> None:
    """What the guest's memory is made of, where that is not the ordinary."""
    if hardware.page_size_kib:
        kept = SubElement(SubElement(root, "memoryBacking"), "hugepages")
        SubElement(kept, "page", size=str(hardware.page_size_kib), unit="KiB")


def passed_through(devices: Element, addresses: Sequence[str]) -> None:
    """PCI devices of the host, taken from it while the guest has them."""
    for address in addresses:
        element = SubElement(devices, "hostdev", mode="subsystem", type="pci", managed="yes")
        domain, bus, rest = address.split(":")
        slot, function = rest.split(".")
        names = {"domain": domain, "bus": bus, "slot": slot, "function": function}
        numbers = {name: f"0x{number}" for name, number in names.items()}
        SubElement(SubElement(element, "source"), "address", numbers)


def passed_addresses(root: Element) -> list[str]:
    """Those that a guest's XML names."""
    found = root.iterfind("devices/hostdev[@type='pci']/source/address")
    return [
        "{}:{}:{}.{}".format(*(address.get(name, "")[2:] for name in ("domain", "bus", "slot", "function")))
        for address in found
    ]


def firmware(os: Element, hardware: GuestHardware, nvram: Path | None) -> None:
    """UEFI's code, and the file of this guest's variables."""
    code = _CODE.get(hardware.firmware)
    if code is None or nvram is None:
        return
    secure = "yes" if hardware.firmware is Firmware.SECURE_UEFI else "no"
    text(os, "loader", code, readonly="yes", secure=secure, type="pflash")
    text(os, "nvram", str(nvram))


def features(root: Element, spec: GuestSpec, accelerator: str) -> None:
    """Chipset features, the processor, clocks, and what an end of the guest leads to."""
    found = SubElement(root, "features")
    SubElement(found, "acpi")
    SubElement(found, "apic")
    if spec.hardware.firmware is Firmware.SECURE_UEFI:
        # Without it the guest's system could write the variables that say what is trusted.
        SubElement(found, "smm", state="on")
    if accelerator != "kvm":
        text(SubElement(found, "tcg"), "tb-cache", str(TCG_CACHE_MIB), unit="MiB")
    _processor(root, spec, accelerator)
    clock = SubElement(root, "clock", offset="utc")
    SubElement(clock, "timer", name="rtc", tickpolicy="catchup")
    SubElement(clock, "timer", name="pit", tickpolicy="delay")
    SubElement(clock, "timer", name="hpet", present="no")
    text(root, "on_poweroff", "destroy")
    text(root, "on_reboot", "restart")
    text(root, "on_crash", "destroy")


def _processor(root: Element, spec: GuestSpec, accelerator: str) -> None:
    hardware = spec.hardware
    if hardware.cpu_model:
        # Emulated, a model lacks some of its features; on KVM the host must have them all.
        cpu = SubElement(root, "cpu", mode="custom", match="exact", check="partial")
        if accelerator != "kvm":
            cpu.set("check", "none")
        text(cpu, "model", hardware.cpu_model, fallback="forbid")
    elif accelerator == "kvm":
        cpu = SubElement(root, "cpu", mode="host-passthrough", migratable="on")
    else:
        cpu = SubElement(root, "cpu", mode="maximum")
    if hardware.topology is not None:
        layout = hardware.topology
        SubElement(
            cpu,
            "topology",
            sockets=str(layout.sockets),
            cores=str(layout.cores),
            threads=str(layout.threads),
        )
    if hardware.numa_nodes > 1 or hardware.memory_mib_max:
        _nodes(cpu, spec)


def _nodes(cpu: Element, spec: GuestSpec) -> None:
    """Memory that is plugged in belongs to a node, so a guest that can grow has one."""
    count = spec.hardware.numa_nodes
    cores = max(spec.hardware.cores_max, spec.cores) // count
    numa = SubElement(cpu, "numa")
    for number in range(count):
        SubElement(
            numa,
            "cell",
            id=str(number),
            cpus=f"{number * cores}-{(number + 1) * cores - 1}",
            memory=str(spec.memory_mib // count),
            unit="MiB",
        )


def controllers(devices: Element, spec: GuestSpec) -> None:
    """What disks and cards are plugged into."""
    buses = {disk.bus for disk in spec.disks}
    usb = "usb" in buses or spec.hardware.tablet
    SubElement(devices, "controller", type="usb", model="qemu-xhci" if usb else "none")
    if "scsi" in buses:
        SubElement(devices, "controller", type="scsi", model="virtio-scsi")
    if spec.hardware.machine == "q35":
        SubElement(devices, "controller", type="pci", index="0", model="pcie-root")
        for _ in range(PCIE_PORTS):
            SubElement(devices, "controller", type="pci", model="pcie-root-port")


def extras(devices: Element, hardware: GuestHardware) -> None:
    """Screen, randomness, pointer, trusted module and watchdog."""
    video = SubElement(SubElement(devices, "video"), "model", type=hardware.video_model)
    if hardware.video_model == "vga":
        video.set("vram", "16384")
    if hardware.rng:
        text(SubElement(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
    if hardware.tablet:
        SubElement(devices, "input", type="tablet", bus="usb")
    if hardware.tpm_model:
        tpm = SubElement(devices, "tpm", model=hardware.tpm_model)
        SubElement(tpm, "backend", type="emulator", version="2.0")
    if hardware.watchdog_action:
        SubElement(devices, "watchdog", model="i6300esb", action=hardware.watchdog_action)


def text(parent: Element, tag: str, content: str, **attributes: str) -> None:
    """An element with text in it."""
    SubElement(parent, tag, attributes).text = content
