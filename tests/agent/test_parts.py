"""The agent's smaller parts, each by itself: configuration, counters, records, consoles, probes, watches."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from volutus.agent import facts
from volutus.agent.config import BadConfig, load, parse
from volutus.agent.connection import ConnectionTrouble
from volutus.agent.consoles import KEPT_BYTES, PIECE_BYTES, PIECES_AT_ONCE, ConsoleShipping
from volutus.agent.hypervisor import kvm
from volutus.agent.hypervisor.domain_xml import PERIOD_US, QUOTA_US_MIN, cpu_quota_us, cpu_shares
from volutus.agent.hypervisor.pidwatch import PidWatch, read_pid
from volutus.agent.network.links import interfaces
from volutus.agent.polling import Polling
from volutus.agent.records import FileRecords
from volutus.agent.state import Counted, PortCounted, Record
from volutus.wire import Assignment, Desired

# Configuration


def test_paths_count_from_the_files_directory(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    path = tmp_path / "agent" / "agent.toml"
    path.write_text('control_plane = "https://c:1"\nca = "other.pem"\nmhz_per_core = 2000\n')
    config = load(path)
    assert config.state_dir == tmp_path / "agent"
    assert config.ca == tmp_path / "agent" / "other.pem"
    assert config.ovs_database == tmp_path / "run" / "ovs" / "db.sock"
    assert config.libvirt_uri == f"qemu:///system?socket={tmp_path}/run/libvirt/libvirt-sock"
    assert config.mhz_per_core == 2000


BAD = [
    ({}, "control_plane"),
    ({"control_plane": "x", "colour": 1}, "colour"),
    ({"control_plane": "x", "mhz_per_core": "fast"}, "mhz_per_core"),
    ({"control_plane": 7}, "control_plane"),
]


@pytest.mark.parametrize(("values", "named"), BAD)
def test_a_bad_configuration_names_the_key(values: dict[str, object], named: str) -> None:
    with pytest.raises(BadConfig, match=named):
        parse(values, Path("/x"))


# Polling


def _order(number: int) -> Assignment:
    return Assignment(kind="disk", key=f"d{number}", generation=number)


def test_a_document_in_parts_is_handed_on_when_it_is_whole() -> None:
    polling = Polling()
    for number in (1, 2):
        part = Desired(generation=number, full=False, assignments=[_order(number)])
        assert polling.answered(part) is None and not polling.complete
    whole = polling.answered(Desired(generation=2, full=False, assignments=[]))
    assert whole is not None and whole.full and [o.key for o in whole.assignments] == ["d1", "d2"]
    assert polling.complete and polling.seen == 2
    assert polling.answered(Desired(generation=2, full=False, assignments=[])) is None


def test_a_control_plane_that_counts_from_before_is_asked_for_everything() -> None:
    polling = Polling()
    polling.answered(Desired(generation=9, full=True, assignments=[]))
    assert polling.answered(Desired(generation=5, full=False, assignments=[_order(5)])) is None
    assert polling.seen == 0 and not polling.complete
    again = Desired(generation=5, full=True, assignments=[_order(5)])
    assert polling.answered(again) is again and polling.seen == 5


# CPU


@pytest.mark.parametrize(
    ("mhz", "quota"),
    [(3000, PERIOD_US), (1500, PERIOD_US // 2), (12_000, PERIOD_US * 4), (1, QUOTA_US_MIN)],
)
def test_the_quota_is_the_share_of_the_hosts_speed(mhz: int, quota: int) -> None:
    assert cpu_quota_us(mhz, 3000) == quota


def test_shares_are_proportional_within_bounds() -> None:
    assert cpu_shares(4000) == 2 * cpu_shares(2000)
    assert cpu_shares(1) == 2 and cpu_shares(10**9) == 10_000


def test_the_speed_is_measured_alike_twice() -> None:
    first, second = facts.measured_mhz(), facts.measured_mhz()
    assert 500 < first < 8000
    assert second == pytest.approx(first, rel=0.25)


def test_the_kvm_probe_answers_in_time() -> None:
    started = time.monotonic()
    answer = kvm.probe()
    assert answer.usable or answer.reason
    assert time.monotonic() - started < 15


# Counters and records


def test_a_counter_outlives_its_source() -> None:
    counted = Counted()
    for raw, total in ((5, 5), (9, 9), (3, 12), (3, 12), (0, 12), (4, 16)):
        counted = counted.read(raw)
        assert counted.total == total


def test_records_outlive_the_agent(tmp_path: Path) -> None:
    record = Record(soft_done=2, halted_at=7, ports={"p": PortCounted(sent_bytes=Counted(1, 2))})
    FileRecords(tmp_path).save("guest", record)
    assert FileRecords(tmp_path).load() == {"guest": record}
    (tmp_path / "broken.json").write_bytes(b"")
    assert FileRecords(tmp_path).load() == {"guest": record}
    FileRecords(tmp_path).drop("guest")
    FileRecords(tmp_path).drop("guest")
    assert FileRecords(tmp_path).load() == {}


# Consoles


class Console:
    """What the control plane has of one log."""

    def __init__(self) -> None:
        self.have = b""
        self.trouble = False

    def send(self, guest_id: str, offset: int, data: bytes) -> int:
        if self.trouble:
            raise ConnectionTrouble("away")
        if offset <= len(self.have):
            self.have += data[len(self.have) - offset :]
        return len(self.have)


def test_console_output_arrives_once_whoever_restarts(tmp_path: Path) -> None:
    console, log = Console(), tmp_path / "console.log"
    log.write_bytes(b"one ")
    ConsoleShipping(console.send, lambda _: log).round(["g"])
    with log.open("ab") as file:
        file.write(b"two")
    second = ConsoleShipping(console.send, lambda _: log)
    second.round(["g"])
    second.round(["g"])
    assert console.have == b"one two"


def test_a_log_made_anew_goes_on_behind_the_old(tmp_path: Path) -> None:
    console, log = Console(), tmp_path / "console.log"
    console.have = b"a long story. "
    log.write_bytes(b"")
    shipping = ConsoleShipping(console.send, lambda _: log)
    shipping.round(["g"])
    log.write_bytes(b"new")
    shipping.round(["g"])
    assert console.have.endswith(b"story. new")


def test_what_was_sent_is_given_back_to_the_disk(tmp_path: Path) -> None:
    console, log = Console(), tmp_path / "console.log"
    log.write_bytes(os.urandom(4 * KEPT_BYTES))
    shipping = ConsoleShipping(console.send, lambda _: log)
    for _ in range(4 * KEPT_BYTES // (PIECE_BYTES * PIECES_AT_ONCE) + 1):
        shipping.round(["g"])
    assert len(console.have) == 4 * KEPT_BYTES
    assert log.stat().st_size == 4 * KEPT_BYTES
    assert log.stat().st_blocks * 512 <= 2 * KEPT_BYTES


def test_trouble_with_the_console_rests_and_recovers(tmp_path: Path) -> None:
    console, log = Console(), tmp_path / "console.log"
    log.write_bytes(b"text")
    console.trouble = True
    shipping = ConsoleShipping(console.send, lambda _: log)
    shipping.round(["g"])
    console.trouble = False
    for _ in range(12):
        shipping.round(["g"])
    assert console.have == b"text"


# Watching


def test_a_death_is_noticed_at_once() -> None:
    noticed = threading.Event()
    watch = PidWatch(noticed.set)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        watch.follow(frozenset({child.pid, 999_999_999}))
        assert not noticed.wait(0.1)
        child.kill()
        assert noticed.wait(2)
    watch.close()


def test_a_pid_file_that_is_not_there_has_no_pid(tmp_path: Path) -> None:
    assert read_pid(tmp_path / "none") is None
    (tmp_path / "empty").write_text("")
    assert read_pid(tmp_path / "empty") is None


def test_the_kernel_lists_the_loopback() -> None:
    assert "lo" in interfaces()
