"""Devices of a host: found by class, chosen when a guest starts, written into its XML and read back."""

from xml.etree.ElementTree import Element, fromstring, tostring

import pytest

from volutus.agent import config, devices
from volutus.agent.faults import HostFault
from volutus.agent.hypervisor import hardware_xml
from volutus.wire import GuestHardware

ADDRESSES = ("0000:03:00.0", "0000:04:00.1")


@pytest.fixture
def system(tmp_path):
    """What the kernel says of a machine with two devices of one kind, a third, and pages of two sizes."""
    kinds = {ADDRESSES[0]: ("10de", "2204"), ADDRESSES[1]: ("10de", "2204"), "0000:00:1f.0": ("8086", "1237")}
    for address, (vendor, product) in kinds.items():
        device = tmp_path / "bus/pci/devices" / address
        device.mkdir(parents=True)
        (device / "vendor").write_text(f"0x{vendor}\n")
        (device / "device").write_text(f"0x{product}\n")
    for size_kib, count in ((2048, 512), (1048576, 0)):
        pool = tmp_path / f"kernel/mm/hugepages/hugepages-{size_kib}kB"
        pool.mkdir(parents=True)
        (pool / "nr_hugepages").write_text(f"{count}\n")
    return tmp_path


def test_what_a_machine_has_is_counted_by_class(system):
    found = devices.scan(devices.parse("gpu=10DE:2204, fpga=10ee:5000"), system)
    assert found == {"gpu": ADDRESSES, "fpga": ()}
    pages = devices.huge_pages(system)
    assert devices.resources(found, pages) == {"pci:gpu": 2, "pages:2048": 512}


def test_a_device_is_chosen_that_nobody_has():
    held = {"gpu": ADDRESSES}
    assert devices.choose({"gpu": 1}, held, [ADDRESSES[0]]) == [ADDRESSES[1]]
    assert devices.choose({}, held, []) == []
    for wanted in ({"gpu": 3}, {"fpga": 1}):
        with pytest.raises(HostFault):
            devices.choose(wanted, held, [])


def test_addresses_are_read_back_from_the_xml():
    root = Element("domain")
    hardware_xml.pages(root, GuestHardware(page_size_kib=2048))
    part = Element("devices")
    hardware_xml.passed_through(part, ADDRESSES)
    root.append(part)
    again = fromstring(tostring(root))
    assert hardware_xml.passed_addresses(again) == list(ADDRESSES)
    assert again.find("memoryBacking/hugepages/page").attrib == {"size": "2048", "unit": "KiB"}


@pytest.mark.parametrize("text", ["gpu", "gpu=10de", "gpu=10de:220", "a b=10de:2204", "gpu=zzzz:2204"])
def test_a_class_that_is_none_is_refused_at_the_start(text, tmp_path):
    with pytest.raises(config.BadConfig):
        config.parse({"control_plane": "https://x", "pci_devices": text}, tmp_path)
