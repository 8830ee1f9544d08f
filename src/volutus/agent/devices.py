"""What a host can give to one guest alone: pages of memory kept for guests, and PCI devices.

Which devices are given away the operator says, by class: `gpu=10de:2204` are all of that vendor and product.
The control plane counts classes; which device of a class a guest gets is found here when it starts.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from volutus.agent.faults import HostFault

SYSTEM = Path("/sys")


def parse(text: str) -> dict[str, str]:
    """Class to `vendor:product` from `NAME=VENDOR:PRODUCT, …`. Raises ValueError."""
    found = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        name, _, kind = part.partition("=")
        vendor, _, product = kind.strip().lower().partition(":")
        for number in (vendor, product):
            if len(number) != 4 or int(number, 16) < 0:
                raise ValueError(f"{part!r} is not NAME=VENDOR:PRODUCT in four hexadecimal digits each")
        if not name.strip().isidentifier():
            raise ValueError(f"{name!r} is no name of a class")
        found[name.strip()] = f"{vendor}:{product}"
    return found


def scan(classes: Mapping[str, str], system: Path = SYSTEM) -> dict[str, tuple[str, ...]]:
    """Class to the addresses of this machine's devices, `0000:03:00.0` and so on."""
    by_kind: dict[str, list[str]] = {}
    if classes:
        for device in sorted((system / "bus/pci/devices").iterdir()):
            numbers = [(device / name).read_text().strip()[2:] for name in ("vendor", "device")]
            by_kind.setdefault(":".join(numbers), []).append(device.name)
    return {name: tuple(by_kind.get(kind, ())) for name, kind in classes.items()}


def huge_pages(system: Path = SYSTEM) -> dict[int, int]:
    """Size in KiB to how many pages of it the machine keeps for those who ask for them."""
    found = {}
    for pool in (system / "kernel/mm/hugepages").glob("hugepages-*kB"):
        count = int((pool / "nr_hugepages").read_text())
        if count:
            found[int(pool.name.removeprefix("hugepages-").removesuffix("kB"))] = count
    return found


def resources(devices: Mapping[str, Collection[str]], pages: Mapping[int, int]) -> dict[str, int]:
    """As the control plane counts them."""
    counted = {f"pci:{name}": len(addresses) for name, addresses in devices.items() if addresses}
    return counted | {f"pages:{size_kib}": count for size_kib, count in pages.items()}


def choose(
    wanted: Mapping[str, int], devices: Mapping[str, Collection[str]], taken: Collection[str]
) -> list[str]:
    """Addresses of free devices, as many of each class as wanted. Raises HostFault."""
    chosen: list[str] = []
    for name, count in sorted(wanted.items()):
        free = [address for address in devices.get(name, ()) if address not in taken]
        if len(free) < count:
            raise HostFault(f"The host has {len(free)} free devices of the class {name}, not {count}.")
        chosen += free[:count]
    return chosen
