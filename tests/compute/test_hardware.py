"""What machine a server is shown: what can be had, what is refused, and what changes while it runs."""

import pytest

from volutus.compute import hardware
from volutus.compute.hardware import Shape
from volutus.errors import Invalid
from volutus.wire import CpuTopology, Firmware, GuestDisk, GuestHardware


def shape(
    properties: dict[str, str] | None = None, specs: dict[str, str] | None = None, cores: int = 4
) -> Shape:
    return Shape(properties or {}, specs or {}, cores, 1024)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (shape(), GuestHardware()),
        (shape({"hw_firmware_type": "uefi"}), GuestHardware(firmware=Firmware.UEFI)),
        (
            shape({"os_secure_boot": "required", "hw_tpm_version": "2.0"}),
            GuestHardware(
                machine="q35", firmware=Firmware.SECURE_UEFI, cdrom_bus="sata", tpm_model="tpm-crb"
            ),
        ),
        (shape({"hw_machine_type": "pc-q35-7.2"}), GuestHardware(machine="q35", cdrom_bus="sata")),
        (
            shape({"hw_watchdog_action": "reset"}, {"hw:watchdog_action": "pause"}),
            GuestHardware(watchdog_action="pause"),
        ),
        (
            shape({"hw_cpu_sockets": "2"}),
            GuestHardware(topology=CpuTopology(sockets=2, cores=2, threads=1)),
        ),
        (
            shape(specs={"hw:cpu_threads": "2"}),
            GuestHardware(topology=CpuTopology(sockets=1, cores=2, threads=2)),
        ),
        (
            shape(specs={"hw:numa_nodes": "2", "hw_rng:allowed": "False"}),
            GuestHardware(numa_nodes=2, rng=False),
        ),
        (shape({"hw_live_resize": "true"}), GuestHardware(cores_max=16, memory_mib_max=4096)),
    ],
)
def test_the_machine_is_what_image_and_flavor_ask_for(asked, expected):
    assert hardware.of(asked) == expected


@pytest.mark.parametrize(
    "asked",
    [
        shape({"hw_firmware_type": "open"}),
        shape({"hw_machine_type": "s390x"}),
        shape({"os_secure_boot": "required", "hw_machine_type": "pc"}),
        shape({"hw_tpm_version": "1.2"}),
        shape({"hw_vif_model": "token-ring"}),
        shape({"hw_disk_bus": "ide", "hw_machine_type": "q35"}),
        shape({"hw_cpu_sockets": "3"}),
        shape({"hw_cpu_sockets": "2", "hw_cpu_cores": "4"}),
        shape(specs={"hw:numa_nodes": "3"}),
        shape(specs={"hw:mem_page_size": "3MB"}),
        Shape({}, {"hw:mem_page_size": "1GB"}, 1, 1536),
        shape(specs={"pci_passthrough:alias": "gpu"}),
        shape(specs={"pci_passthrough:alias": "gpu:0"}),
        shape(specs={"hw:boot_menu": "perhaps"}),
        shape(specs={"hw:cpu_model": "z80"}),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(asked):
    with pytest.raises(Invalid) as refused:
        hardware.of(asked)
    assert refused.value.field


def test_disks_go_to_the_bus_that_the_image_names():
    disks = [
        GuestDisk(disk_id="a", target="vda", bus="", boot_index=0),
        GuestDisk(disk_id="b", target="vdb", bus="virtio"),
        GuestDisk(disk_id="c", target="vdc", bus="", device="cdrom"),
        GuestDisk(disk_id="d", target="vdd", bus="sata"),
    ]
    wanted = shape({"hw_disk_bus": "scsi"})
    placed = hardware.placed(wanted, hardware.of(wanted), disks)
    assert [(disk.bus, disk.target, disk.boot_index) for disk in placed] == [
        ("scsi", "sda", 0),
        ("virtio", "vdb", None),
        ("ide", "hda", None),
        ("sata", "sdb", None),
    ]


@pytest.mark.parametrize(
    ("device_type", "bus"), [("lun", None), ("disk", "token-ring"), ("cdrom", "virtio"), (None, "ide")]
)
def test_a_disk_that_cannot_be_plugged_in_is_refused(device_type, bus):
    with pytest.raises(Invalid):
        hardware.check_disk(shape({"hw_machine_type": "q35"}), device_type, bus)


def test_an_iso_is_a_cdrom_and_boots_after_what_is_installed_from_it():
    disks = [
        GuestDisk(disk_id="iso", target="vda", bus="", boot_index=0),
        GuestDisk(disk_id="b", target="vdb", bus=""),
    ]
    wanted = Shape({}, {}, 1, 512, "iso")
    placed = hardware.placed(wanted, hardware.of(wanted), disks)
    look = [(disk.device, disk.bus, disk.target, disk.boot_index, disk.read_only) for disk in placed]
    assert look == [("disk", "virtio", "vda", 0, False), ("cdrom", "ide", "hda", 1, True)]


@pytest.mark.parametrize(
    ("new", "grows"),
    [
        (Shape({}, {}, 2, 512), True),
        (Shape({}, {}, 4, 640), True),
        (Shape({}, {}, 1, 512), False),
        (Shape({}, {}, 2, 256), False),
        (Shape({}, {}, 5, 512), False),
        (Shape({}, {}, 2, 1152), False),
        (Shape({}, {}, 2, 600), False),
        (Shape({}, {"hw:watchdog_action": "reset"}, 2, 512), False),
    ],
)
def test_a_running_guest_grows_by_modules_and_never_shrinks(new, grows):
    assert hardware.grows_live(Shape({}, {}, 2, 512), new, 4, 1024) is grows
