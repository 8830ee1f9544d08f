"""The commands that README and `volutus up` tell a newcomer to type, typed as they stand, and what must hold
after."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.live.machine import Machine

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
    machine.login(address, "true")

    machine.volutus("destroy")
    assert machine.traces() == before | {"files": [str(machine.directory / "me.pem")]}


def _up(machine: Machine) -> None:
    said = machine.volutus("up", "--detach")
    assert "Volutus is up: http://127.0.0.1:8780" in said
    machine.be_user()


def _first_server(machine: Machine) -> str:
    machine.shell("openstack keypair create me > me.pem && chmod 600 me.pem")
    machine.shell(
        "openstack server create --image micro --flavor c1 --network private --key-name me --wait first",
        timeout_s=600,
    )
    made = machine.shell("openstack floating ip create public -f value -c floating_ip_address")
    address = made.strip()
    machine.shell(f"openstack server add floating ip first {address}")
    machine.login(address, "true")
    return address


def _metadata_answers(machine: Machine, address: str) -> None:
    told = json.loads(
        machine.login(address, "curl -s http://169.254.169.254/openstack/latest/meta_data.json")
    )
    server = json.loads(machine.shell("openstack server show first -f json"))
    assert told["uuid"] == server["id"]
    assert told["hostname"].startswith("first")
    assert machine.login(address, "hostname").strip() == "first"


def _volume_can_be_used(machine: Machine, address: str) -> None:
    machine.shell("openstack volume create --size 1 data")
    machine.becomes("openstack volume show data -f value -c status", "available")
    machine.shell("openstack server add volume first data")
    machine.becomes("openstack volume show data -f value -c status", "in-use")
    machine.login(address, "for i in $(seq 60); do test -b /dev/vdb && exit 0; sleep 1; done; exit 1")
    machine.login(
        address,
        "sudo mkfs.ext4 -q /dev/vdb && sudo mount /dev/vdb /mnt && echo kept | sudo tee /mnt/note",
    )
    machine.login(address, "sudo umount /mnt")
    machine.shell("openstack server remove volume first data")
    machine.becomes("openstack volume show data -f value -c status", "available")
    machine.login(address, "for i in $(seq 60); do test -b /dev/vdb || exit 0; sleep 1; done; exit 1")


def _outside_is_reached(machine: Machine, address: str) -> None:
    server = HTTPServer((machine.outside, 0), _Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answer = machine.login(address, f"curl -s http://{machine.outside}:{server.server_port}/")
    server.shutdown()
    server.server_close()
    assert answer == "hello from outside"


def _everything(machine: Machine) -> dict[str, object]:
    """All that a tenant sees, without what moves by itself."""
    listed = {
        "servers": "server list -f json -c ID -c Name -c Status -c Networks",
        "volumes": "volume list -f json -c ID -c Name -c Status -c Size",
        "addresses": "floating ip list -f json",
        "ports": "port list -f json",
        "images": "image list -f json",
    }
    machine.becomes("openstack server show first -f value -c status", "ACTIVE")
    seen = dict(zip(listed, machine.documents(*listed.values()), strict=True))
    seen["ports"] = [{**port, "Status": "any"} for port in seen["ports"]]
    return seen


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from outside")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
