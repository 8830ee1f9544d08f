"""The private libvirtd's configuration: what must be in it for the driver, and that nothing is shared."""

from pathlib import Path

from volutus.agent.hypervisor.daemon import LibvirtDaemon, libvirt_configuration, libvirtd_command

DAEMON = LibvirtDaemon(Path("/srv/a cloud"), "5d8f4c5e-8b9e-4b8e-9d2e-0123456789ab")


def test_qemu_is_unprivileged_and_sandboxed() -> None:
    content = libvirt_configuration(DAEMON)["qemu.conf"]
    assert 'user = "libvirt-qemu"' in content
    assert "seccomp_sandbox = 1" in content
    assert "dynamic_ownership = 0" in content
    assert 'stdio_handler = "file"' in content


def test_nothing_listens_but_the_socket_of_root() -> None:
    content = libvirt_configuration(DAEMON)["libvirtd.conf"]
    assert "listen_tcp = 0" in content and "listen_tls = 0" in content
    assert 'unix_sock_rw_perms = "0700"' in content
    assert DAEMON.host_uuid in content


def test_a_path_with_a_space_stays_one_argument() -> None:
    command = libvirtd_command(DAEMON)
    assert "/srv/a cloud" in command and "/var/lib/libvirt/agent" in command
    assert str(DAEMON.socket) == "/srv/a cloud/run/libvirt/libvirt-sock"
