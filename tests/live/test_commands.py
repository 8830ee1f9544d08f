"""The life of a cloud's daemons without a guest: quick, and on the real programs."""

import json
import os
import signal

import pytest

from tests.live.machine import Failed, Machine
from tests.supervise.conftest import eventually
from volutus.supervise import processes

pytestmark = pytest.mark.live

DAEMONS = ("postgres", "ovn-northbound", "ovn-southbound", "ovn-northd", "ovsdb-server", "ovs-vswitchd")
DAEMONS += ("ovn-controller", "libvirtd", "iscsi", "api-1", "agents", "reconcile", "agent")


def test_every_daemon_comes_back_when_killed(machine: Machine) -> None:
    machine.environment["VOLUTUS_ISCSI_LISTEN"] = "127.0.0.1:3260"
    machine.volutus("up", "--detach")
    for name in DAEMONS:
        before = _child(machine, name)["pid"]
        os.kill(before, signal.SIGKILL)
        eventually(lambda name=name, before=before: _came_back(machine, name, before), f"{name} is back", 60)
    devices = machine.run("ip", "-brief", "address")
    assert "172.24.4.1/24" in devices


def test_a_killed_supervisor_is_survived_and_leaves_nothing(machine: Machine) -> None:
    machine.environment["VOLUTUS_ISCSI_LISTEN"] = "127.0.0.1:3260"
    before = machine.traces()
    machine.volutus("up", "--detach")
    kept = ("postgres", "ovs-vswitchd", "ovn-controller", "agent")
    running = _pids(machine, kept)
    killed = _status(machine)["pid"]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: processes.find(killed) is None, "the supervisor is dead")
    machine.volutus("up", "--detach")
    assert _pids(machine, kept) == running
    os.kill(_status(machine)["pid"], signal.SIGKILL)
    machine.volutus("destroy")
    assert machine.traces() == before


def test_two_clouds_at_once(machine: Machine, other_machine: Machine) -> None:
    """Each machine has its own loopback and devices; everything else must come from the state directory."""
    for each in (machine, other_machine):
        each.volutus("up", "--detach")
    for each in (machine, other_machine):
        assert all(child["state"] in ("ready", "done") for child in _status(each)["children"])
    machine.volutus("destroy")
    assert all(child["state"] in ("ready", "done") for child in _status(other_machine)["children"])


def test_an_address_in_use_is_named_and_nothing_is_left(machine: Machine) -> None:
    before = machine.traces()
    holder = "import socket, time; s = socket.create_server(('127.0.0.1', 8780)); time.sleep(300)"
    held = int(machine.run("sh", "-c", f'python3 -c "{holder}" >/dev/null 2>&1 & echo $!; sleep 1'))
    with pytest.raises(Failed, match=r"127\.0\.0\.1:8780 is in use by another program"):
        machine.volutus("up", "--detach")
    assert "is up: http://127.0.0.1:9780" in machine.volutus("up", "--detach", "--listen", "127.0.0.1:9780")
    assert machine.volutus("down") == "Volutus is down.\n"
    assert machine.volutus("down") == "Volutus was not up.\n"
    assert "is up: http://127.0.0.1:9780" in machine.volutus("up", "--detach")
    os.kill(held, signal.SIGKILL)
    machine.volutus("destroy")
    assert machine.traces() == before


def _status(machine: Machine) -> dict[str, object]:
    return json.loads(machine.volutus("status", "--json"))


def _child(machine: Machine, name: str) -> dict[str, object]:
    try:
        status = _status(machine)
    except Failed as error:  # Status 1: not all are ready.
        status = json.loads(str(error).partition("\n")[2].rpartition("}")[0] + "}")
    return next(child for child in status["children"] if child["name"] == name)


def _pids(machine: Machine, names: tuple[str, ...]) -> dict[str, object]:
    return {name: _child(machine, name)["pid"] for name in names}


def _came_back(machine: Machine, name: str, before: int) -> bool:
    child = _child(machine, name)
    return child["pid"] not in (None, before) and child["state"] == "ready"
