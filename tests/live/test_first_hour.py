"""The commands that README and `volutus up` tell a newcomer to type, typed as they stand, and what must hold
after."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.live.machine import CLIENT, Failed, Machine

# A guest under emulation on two busy cores takes a minute to its SSH server.
SSH_WITHIN_S = 300.0
SETTLED_WITHIN_S = 120.0

pytestmark = pytest.mark.live


def test_a_newcomer_gets_a_shell_and_loses_nothing(machine: Machine) -> None:
    before = machine.traces()
    _up(machine)
    address = _first_server(machine)
    _metadata_answers(machine, address)
    _volume_can_be_used(machine, address)
    _outside_is_reached(machine, address)
    seen = _everything(machine)

    machine.volutus("down")
    assert not [line for line in machine.traces()["processes"] if "qemu" in line or "postgres" in line]
    _up(machine)
    assert _everything(machine) == seen
    _login(machine, address, "true")

    machine.volutus("destroy")
    assert machine.traces() == before | {"files": [str(machine.directory / "me.pem")]}


def _up(machine: Machine) -> None:
    said = machine.volutus("up", "--detach")
    assert "Volutus is up: http://127.0.0.1:8780" in said
    machine.environment |= {
        "OS_CLIENT_CONFIG_FILE": f"{machine.state_dir}/clouds.yaml",
        "OS_CLOUD": "volutus",
        "PATH": f"{CLIENT.parent}:/usr/sbin:/usr/bin:/sbin:/bin",
    }


def _first_server(machine: Machine) -> str:
    machine.shell("openstack keypair create me > me.pem && chmod 600 me.pem")
    machine.shell(
        "openstack server create --image micro --flavor c1 --network private --key-name me --wait first",
        timeout_s=600,
    )
    made = machine.shell("openstack floating ip create public -f value -c floating_ip_address")
    address = made.strip()
    machine.shell(f"openstack server add floating ip first {address}")
    _login(machine, address, "true")
    return address


def _metadata_answers(machine: Machine, address: str) -> None:
    told = json.loads(
        _login(machine, address, "curl -s http://169.254.169.254/openstack/latest/meta_data.json")
    )
    server = json.loads(machine.shell("openstack server show first -f json"))
    assert told["uuid"] == server["id"]
    assert told["hostname"].startswith("first")
    assert _login(machine, address, "hostname").strip() == "first"


def _volume_can_be_used(machine: Machine, address: str) -> None:
    machine.shell("openstack volume create --size 1 data")
    _becomes(machine, "openstack volume show data -f value -c status", "available")
    machine.shell("openstack server add volume first data")
    _becomes(machine, "openstack volume show data -f value -c status", "in-use")
    _login(machine, address, "for i in $(seq 60); do test -b /dev/vdb && exit 0; sleep 1; done; exit 1")
    _login(
        machine,
        address,
        "sudo mkfs.ext4 -q /dev/vdb && sudo mount /dev/vdb /mnt && echo kept | sudo tee /mnt/note",
    )
    _login(machine, address, "sudo umount /mnt")
    machine.shell("openstack server remove volume first data")
    _becomes(machine, "openstack volume show data -f value -c status", "available")
    _login(machine, address, "for i in $(seq 60); do test -b /dev/vdb || exit 0; sleep 1; done; exit 1")


def _outside_is_reached(machine: Machine, address: str) -> None:
    server = HTTPServer((machine.outside, 0), _Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answer = _login(machine, address, f"curl -s http://{machine.outside}:{server.server_port}/")
    server.shutdown()
    server.server_close()
    assert answer == "hello from outside"


def _everything(machine: Machine) -> dict[str, object]:
    """All that a tenant sees, without what moves by itself."""
    listed = {
        "servers": "server list -f json -c ID -c Name -c Status -c Networks",
        "volumes": "volume list -f json -c ID -c Name -c Status -c Size",
        "addresses": "floating ip list -f json",
        "ports": "port list -f json -c ID -c 'MAC Address' -c 'Fixed IP Addresses'",
        "images": "image list -f json",
    }
    _becomes(machine, "openstack server show first -f value -c status", "ACTIVE")
    return {what: json.loads(machine.shell(f"openstack {words}")) for what, words in listed.items()}


def _login(machine: Machine, address: str, command: str) -> str:
    """What a command says on the guest; tried until its SSH server answers."""
    options = (
        "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=5"
    )
    deadline = time.monotonic() + SSH_WITHIN_S
    while True:
        try:
            machine.shell(f"ssh {options} -i me.pem volutus@{address} true", timeout_s=60)
            break
        except Failed:
            if time.monotonic() > deadline:
                raise
            time.sleep(2)
    return machine.run("ssh", *options.split(), "-i", "me.pem", f"volutus@{address}", command)


def _becomes(machine: Machine, command: str, wanted: str) -> None:
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while (seen := machine.shell(command).strip()) != wanted:
        assert seen.lower() != "error", f"{command}: {seen}"
        assert time.monotonic() < deadline, f"{command}: still {seen}, not {wanted}"
        time.sleep(1)


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from outside")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
