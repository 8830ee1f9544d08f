"""`micro` really booted, under plain QEMU without KVM, as an instance of a cloud."""

import pytest

from tests.imagebuild.guest import Guest, write_metadata

pytestmark = pytest.mark.machine

USER_DATA = "#!/bin/sh\necho ran >>/home/volutus/ran\n"
PROBE = (
    "set -eu -o pipefail; hostname; cat ran; sudo -n id -u; lsblk -lb --nodeps -n -o SIZE /dev/vda; "
    "df -m / | awk 'NR == 2 { print ($2 > 900) }'; ip -o link show eth0 | wc -l; "
    "sudo sh -c 'echo said >/dev/console'; sudo kill -USR1 $(cat /var/run/udhcpc.eth0.pid); "
    "(nc -lk -p 8080 -e echo served >/dev/null 2>&1 &); sleep 1; nc 127.0.0.1 8080 </dev/null; "
    "nc 127.0.0.1 8080 </dev/null; ping -c 1 10.0.2.2 >/dev/null; ping6 -c 1 ::1 >/dev/null; echo end"
)


def instance(guest, uuid="0c8a3e9c-6d3e-4b0e-8c57-1f0b7a6f2a11", hostname="first.example"):
    keys = {"me": guest.public_key, 'the "other"': "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA other\n"}
    return {
        "uuid": uuid,
        "hostname": hostname,
        "name": "first",
        "public_keys": keys,
        "meta": {"a": ["b", {}]},
    }


def test_an_instance_by_config_drive(micro, tmp_path):
    guest = Guest(micro, tmp_path)
    tree = write_metadata(tmp_path / "tree", instance(guest) | {"admin_pass": 's"e\\cret'}, USER_DATA)
    with guest.with_config_drive(tree):
        guest.wait_for("first login:")
        guest.wait_for("instance ready")
        told = guest.ssh(PROBE).splitlines()
        assert told == ["first", "ran", "0", str(1 << 30), "1", "1", "served", "served", "end"]
        assert "said" in guest.said()
        assert guest.ssh("id -un; pwd", user="cirros") == "volutus\n/home/volutus"
        assert guest.try_ssh("true", user="root").returncode != 0
        with_password = ("PubkeyAuthentication=no", "PreferredAuthentications=password")
        assert guest.try_ssh("true", options=with_password).returncode != 0
        assert guest.ssh("cat .ssh/authorized_keys | wc -l") == "2"
        assert "volutus:$6$" in guest.ssh("sudo cat /etc/shadow")
        host_keys = guest.ssh("sudo cat /etc/dropbear/*_host_key | sha256sum")
        guest.ssh("sudo poweroff")
        assert guest.ended()
    with guest:
        guest.wait_for("instance ready")
        assert guest.ssh("cat ran") == "ran", "user data runs once for each instance"
        assert guest.ssh("sudo cat /etc/dropbear/*_host_key | sha256sum") == host_keys


def test_an_instance_by_metadata_service(micro, tmp_path):
    guest = Guest(micro, tmp_path)
    tree = write_metadata(tmp_path / "tree", instance(guest, hostname="second"), USER_DATA)
    with guest.with_metadata_service(tree):
        guest.wait_for("instance ready")
        assert guest.ssh("hostname; cat ran") == "second\nran"
        url = "http://169.254.169.254/openstack/latest/meta_data.json"
        assert '"second"' in guest.ssh(f"curl -s {url}")
    assert "metadata from metadata service" in guest.said()
