"""What the machine has, as the control plane counts it: cores and their measured speed, memory, disk, KVM.

The speed is measured and not read: the label of a processor, and /proc/cpuinfo in a virtual machine, say what
someone wrote there. It is measured with all cores busy at once, because that is how a full host runs; a boost
that one core has while the others idle cannot be sold. The result is kept, so that the capacity of a host
does not move a little at each start of its agent.
"""

import ctypes
import mmap
import os
import statistics
import struct
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from volutus.agent import devices
from volutus.agent.config import AgentConfig
from volutus.agent.hypervisor import kvm
from volutus.wire import HostFacts

AGENT_VERSION = "0.1.0"

# Each instruction waits for the one before, and a multiplication of 64 bits takes three cycles on every
# x86-64 of the last fifteen years: so the time of a chain is a number of cycles.
CHAIN = 16
CYCLES_PER_MULTIPLICATION = 3
LOOPS = 100_000
SAMPLES = 9
MHZ_IF_UNKNOWN = 1000


@dataclass(frozen=True)
class Processor:
    """What does not change while the machine runs; kept in a file."""

    model: str
    mhz_per_core: int
    accelerator: str


@dataclass(frozen=True)
class Changing:
    """Facts that others know: the storage, the hypervisor, the switch."""

    pools: Mapping[str, int]
    own_rooms: Collection[str]
    hypervisor_version: int
    chassis: str


def processor(config: AgentConfig) -> Processor:
    """Measure, or take what was measured on this processor in this boot's predecessor. What the configuration
    says goes first."""
    path = config.state_dir / "processor.json"
    model = _model()
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Processor)
    except (OSError, msgspec.DecodeError):
        found = None
    if found is None or found.model != model:
        accelerator = "kvm" if kvm.probe().usable else "tcg"
        found = Processor(model, measured_mhz(), accelerator)
        path.write_bytes(msgspec.json.encode(found))
    return Processor(
        model=model,
        mhz_per_core=config.mhz_per_core or found.mhz_per_core,
        accelerator=config.accelerator or found.accelerator,
    )


def host_facts(config: AgentConfig, known: Processor, changing: Changing) -> HostFacts:
    """The facts as they are reported. Memory in pages kept for guests is counted by the page."""
    pages = devices.huge_pages()
    kept_mib = sum(size_kib * count for size_kib, count in pages.items()) >> 10
    return HostFacts(
        hostname=config.hostname or os.uname().nodename,
        cores=len(os.sched_getaffinity(0)),
        mhz_per_core=known.mhz_per_core,
        memory_mib=memory_mib() - kept_mib,
        resources=devices.resources(devices.scan(devices.parse(config.pci_devices)), pages)
        | rooms({name: changing.pools[name] for name in changing.own_rooms}),
        disk_gib=next(iter(changing.pools.values())),
        pools=dict(changing.pools),
        accelerator=known.accelerator,
        hypervisor_version=changing.hypervisor_version,
        agent_version=AGENT_VERSION,
        chassis=changing.chassis,
        address=config.address,
        iscsi_portal=config.iscsi_portal,
    )


def rooms(own: Mapping[str, int]) -> dict[str, int]:
    """The GiB of pools that have room of their own, as resources."""
    return {f"pool:{name}": gib for name, gib in own.items()}


def memory_mib() -> int:
    """All memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def boot_id() -> str:
    """Names the machine's present boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def measured_mhz() -> int:
    """The speed of one core while all are busy: the median over cores of the best of several samples. CPU
    time counts and not time of day, so other work on the machine disturbs little."""
    if os.uname().machine != "x86_64":
        return MHZ_IF_UNKNOWN
    cores = sorted(os.sched_getaffinity(0))
    results: list[float] = []

    memory, function = _chain()

    def measure(core: int) -> None:
        os.sched_setaffinity(0, {core})  # Of this thread alone.
        results.append(max(_sample(function) for _ in range(SAMPLES)))

    threads = [threading.Thread(target=measure, args=(core,)) for core in cores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    memory.close()
    return round(statistics.median(results))


def _sample(function: Callable[[], None]) -> float:
    started = time.thread_time_ns()
    function()
    taken_us = (time.thread_time_ns() - started) / 1000
    return LOOPS * CHAIN * CYCLES_PER_MULTIPLICATION / taken_us


def _chain() -> tuple[mmap.mmap, Callable[[], None]]:
    """A function of machine code; ctypes lets other threads run meanwhile."""
    multiply = b"\x48\x0f\xaf\xc0"  # imul rax, rax
    body = multiply * CHAIN + b"\xff\xc9"  # dec ecx
    code = b"\xb9" + struct.pack("<I", LOOPS) + body  # mov ecx, LOOPS
    code += b"\x75" + struct.pack("b", -(len(body) + 2)) + b"\xc3"  # jnz to the first multiplication; ret
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    view = ctypes.c_char.from_buffer(memory)
    function = ctypes.CFUNCTYPE(None)(ctypes.addressof(view))
    del view
    return memory, function


def _model() -> str:
    """Names the processor well enough to notice that the disk was put into another machine."""
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    wanted = ("vendor_id", "cpu family", "model", "model name", "stepping")
    pairs = (line.partition(":") for line in lines)
    return " ".join(value.strip() for name, _, value in pairs if name.strip() in wanted)
