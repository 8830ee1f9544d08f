"""Whether KVM runs guests here. That /dev/kvm opens proves nothing: in some virtual machines it opens, and an
ordinary kernel in it runs ten thousand times too slow.

So a guest of five million instructions is run for real: a few milliseconds where KVM works. It runs in a
child process, because the call that is stuck can only be killed. On anything unexpected the answer is no, and
guests are emulated.
"""

import ctypes
import fcntl
import mmap
import os
import select
import struct
import subprocess
import sys
from dataclasses import dataclass

# Above what a working KVM needs by two orders of magnitude.
PATIENCE_S = 1.0
START_PATIENCE_S = 20.0
ITERATIONS = 5_000_000

_GET_API_VERSION = 0xAE00
_CREATE_VM = 0xAE01
_GET_VCPU_MMAP_SIZE = 0xAE04
_CREATE_VCPU = 0xAE41
_SET_TSS_ADDR = 0xAE47
_RUN = 0xAE80
_SET_USER_MEMORY_REGION = 0x4020AE46
_SET_IDENTITY_MAP_ADDR = 0x4008AE48
_SET_REGS = 0x4090AE82
_GET_SREGS = 0x8138AE83
_SET_SREGS = 0x4138AE84
_GET_SUPPORTED_CPUID = 0xC008AE05
_SET_CPUID2 = 0x4008AE90

_MEMORY_BYTES = 0x200000
_CODE_ADDRESS = 0x1000
_PAGE_TABLES = ((0x2000, 0x3003), (0x3000, 0x4003), (0x4000, 0x83))  # One page of 2 MiB, mapped to itself.
_EXIT_IO, _EXIT_HLT = 2, 5


@dataclass(frozen=True)
class Answer:
    """`reason` says why not."""

    usable: bool
    reason: str = ""


def probe() -> Answer:
    """Ask the machine; takes at most about a second where KVM does not work."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Answer(False, "there is no /dev/kvm that may be opened")
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        try:
            # The interpreter's own start is not KVM's fault.
            if _line(child, START_PATIENCE_S) != "start":
                return Answer(False, "the probe did not start")
            said = _line(child, PATIENCE_S)
        finally:
            child.kill()
    if said == "ok":
        return Answer(True)
    return Answer(False, said or f"a guest of {ITERATIONS} instructions did not end in {PATIENCE_S:g} s")


def _line(child: "subprocess.Popen[bytes]", patience_s: float) -> str:
    assert child.stdout is not None
    if not select.select([child.stdout], [], [], patience_s)[0]:
        return ""
    return child.stdout.readline().decode(errors="replace").strip()


def _code() -> bytes:
    return (
        b"\xb9"  # mov ecx, ITERATIONS
        + struct.pack("<I", ITERATIONS)
        + b"\xff\xc9"  # dec ecx
        + b"\x75\xfc"  # jnz back
        + b"\x66\xba\xf8\x03"  # mov dx, 0x3f8
        + b"\xb0K"  # mov al, 'K'
        + b"\xee"  # out dx, al
        + b"\xf4"  # hlt
    )


def _run_guest() -> str:
    """Run the guest; "ok", or what happened instead."""
    kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    if fcntl.ioctl(kvm, _GET_API_VERSION, 0) != 12:
        return "KVM has another interface version"
    machine = fcntl.ioctl(kvm, _CREATE_VM, 0)
    memory = _memory(machine)
    cpu = fcntl.ioctl(machine, _CREATE_VCPU, 0)
    state = mmap.mmap(cpu, fcntl.ioctl(kvm, _GET_VCPU_MMAP_SIZE, 0))
    if not _set_cpuid(kvm, cpu):
        return "KVM does not take its own CPU features"
    _set_registers(cpu)
    said = b""
    while True:
        fcntl.ioctl(cpu, _RUN, 0)
        (reason,) = struct.unpack_from("I", state, 8)
        if reason == _EXIT_IO:
            _, size, _, count, offset = struct.unpack_from("BBHIQ", state, 32)
            said += state[offset : offset + size * count]
        elif reason == _EXIT_HLT:
            memory.close()
            return "ok" if said == b"K" else "the guest computed something else"
        else:
            return f"the guest ended with reason {reason}"


def _memory(machine: int) -> mmap.mmap:
    # Through ctypes, because fcntl.ioctl takes no number over 2^31.
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ioctl(machine, _SET_TSS_ADDR, ctypes.c_ulong(0xFFFBD000))
    libc.ioctl(machine, _SET_IDENTITY_MAP_ADDR, ctypes.byref(ctypes.c_uint64(0xFFFBC000)))
    memory = mmap.mmap(-1, _MEMORY_BYTES)
    code = _code()
    memory[_CODE_ADDRESS : _CODE_ADDRESS + len(code)] = code
    for address, entry in _PAGE_TABLES:
        memory[address : address + 8] = struct.pack("<Q", entry)
    view = ctypes.c_char.from_buffer(memory)
    address = ctypes.addressof(view)
    del view  # Else the mapping could not be closed.
    region = struct.pack("IIQQQ", 0, 0, 0, _MEMORY_BYTES, address)
    fcntl.ioctl(machine, _SET_USER_MEMORY_REGION, region)
    return memory


def _set_cpuid(kvm: int, cpu: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    entries = 256
    table = ctypes.create_string_buffer(struct.pack("II", entries, 0), 8 + 40 * entries)
    if libc.ioctl(kvm, _GET_SUPPORTED_CPUID, table) != 0:
        return False
    return bool(libc.ioctl(cpu, _SET_CPUID2, table) == 0)


def _set_registers(cpu: int) -> None:
    """64-bit mode with paging, as a kernel runs in: real mode is emulated well even where KVM is useless."""
    special = bytearray(0x138)
    fcntl.ioctl(cpu, _GET_SREGS, special)
    special[0:24] = _segment(kind=11, selector=8, code=True)
    for number in range(1, 6):
        special[24 * number : 24 * (number + 1)] = _segment(kind=3, selector=16, code=False)
    control = 24 * 8 + 32
    cr0, cr3, cr4, efer = 0x80050033, 0x2000, 0x20, 0x500
    struct.pack_into("<QQQQQQ", special, control, cr0, 0, cr3, cr4, 0, efer)
    fcntl.ioctl(cpu, _SET_SREGS, bytes(special))
    registers = [0] * 18
    registers[6], registers[16], registers[17] = 0x8000, _CODE_ADDRESS, 2  # rsp, rip, rflags
    fcntl.ioctl(cpu, _SET_REGS, struct.pack("18Q", *registers))


def _segment(*, kind: int, selector: int, code: bool) -> bytes:
    big, long_mode = int(not code), int(code)
    return struct.pack("<QIH8BH", 0, 0xFFFFFFFF, selector, kind, 1, 0, big, 1, long_mode, 1, 0, 0)[:24]


def main() -> None:
    """The child: say that it began, then what came of it."""
    print("start", flush=True)  # noqa: T201  (the parent reads it)
    try:
        said = _run_guest()
    except OSError as error:
        said = f"KVM refused: {error.strerror}"
    print(said, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
