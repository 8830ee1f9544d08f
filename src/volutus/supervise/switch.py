"""Open vSwitch and OVN of one machine: their databases, their daemons, and what they must be told.

All sockets and files lie in the state directory, so that several clouds can live on one machine. Nothing here
writes logical networks: the network reconciler does, in the northbound database.
"""

import os
import secrets
import shutil
import socket
import subprocess
from pathlib import Path

from volutus.errors import Unavailable
from volutus.settings import Settings
from volutus.supervise import names
from volutus.supervise.child import Child
from volutus.supervise.sockets import accepts

OVS_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
NORTHBOUND_SCHEMA = Path("/usr/share/ovn/ovn-nb.ovsschema")
SOUTHBOUND_SCHEMA = Path("/usr/share/ovn/ovn-sb.ovsschema")
PHYSICAL_NETWORK = "physnet1"
_COMMAND_TIMEOUT_S = 10
# A controller that starts again works out its flows before it clears those that are there: cleared at once,
# guests are cut off meanwhile.
_FLOWS_KEPT_MS = 2000
# Quiet on the console, which is the log file: what is normal is not worth a line.
_LOG = ("-vconsole:info", "-vfile:off", "-vsyslog:off")


def environment(settings: Settings) -> dict[str, str]:
    """What makes every program of Open vSwitch and OVN use this cloud's directories."""
    state, run = settings.state_dir, settings.run_dir
    return {
        "OVS_RUNDIR": f"{run}/ovs",
        "OVS_DBDIR": f"{state}/ovs",
        "OVS_SYSCONFDIR": f"{state}/ovs",
        "OVS_LOGDIR": str(settings.log_dir),
        "OVN_RUNDIR": f"{run}/ovn",
        "OVN_DBDIR": f"{state}/ovn",
        "OVN_SYSCONFDIR": f"{state}/ovn",
        "OVN_LOGDIR": str(settings.log_dir),
    }


def create(settings: Settings) -> None:
    """Make the three databases, or bring them to the installed version's schema."""
    for database, schema in (
        (settings.state_dir / "ovs/conf.db", OVS_SCHEMA),
        (settings.state_dir / "ovn/ovnnb_db.db", NORTHBOUND_SCHEMA),
        (settings.state_dir / "ovn/ovnsb_db.db", SOUTHBOUND_SCHEMA),
    ):
        database.parent.mkdir(parents=True, exist_ok=True)
        if not database.exists():
            _run(settings, "ovsdb-tool", "create", str(database), str(schema))
        elif _run(settings, "ovsdb-tool", "needs-conversion", str(database), str(schema)) == "yes":
            shutil.copyfile(database, f"{database}.before-conversion")
            _run(settings, "ovsdb-tool", "convert", str(database), str(schema))
    identity = names.chassis(settings.state_dir)
    if not identity.exists():
        identity.write_text(secrets.token_hex(16))


def switch_children(settings: Settings) -> tuple[Child, ...]:
    """What every host runs: the switch's database, the switch, and OVN's controller."""
    run, env = settings.run_dir / "ovs", environment(settings)
    database = Child(
        name="ovsdb-server",
        argv=(
            "ovsdb-server",
            f"{settings.state_dir}/ovs/conf.db",
            f"--remote=punix:{run}/db.sock",
            f"--pidfile={run}/ovsdb-server.pid",
            f"--unixctl={run}/ovsdb-server.ctl",
            *_LOG,
        ),
        environment=env,
        ready=lambda: accepts(run / "db.sock"),
        settle=lambda: _tell_switch(settings),
    )
    switch = Child(
        name="ovs-vswitchd",
        argv=(
            "ovs-vswitchd",
            f"unix:{run}/db.sock",
            f"--pidfile={run}/ovs-vswitchd.pid",
            f"--unixctl={run}/ovs-vswitchd.ctl",
            *_LOG,
        ),
        environment=env,
        after=("ovsdb-server",),
        # It comes without flows: a controller that still runs has nothing to keep, and writes them at once.
        prepare=lambda: _wait_before_clear(settings, 0),
        ready=lambda: _device_exists(names.external_bridge(settings)),
        settle=lambda: _open_external_network(settings),
        stop=lambda: _stop_switch(settings),
    )
    controller = Child(
        name="ovn-controller",
        argv=(
            "ovn-controller",
            f"unix:{run}/db.sock",
            f"--pidfile={settings.run_dir}/ovn/ovn-controller.pid",
            *_LOG,
        ),
        environment=env,
        after=("ovs-vswitchd", "ovn-southbound"),
        prepare=lambda: _prepare_controller(settings),
        ready=lambda: any(accepts(path) for path in _controller_sockets(settings)),
    )
    return database, switch, controller


def central_children(settings: Settings) -> tuple[Child, ...]:
    """OVN's two databases and the translator between them."""
    run, env = settings.run_dir / "ovn", environment(settings)
    north, south = f"unix:{run}/ovnnb_db.sock", f"unix:{run}/ovnsb_db.sock"
    northd = Child(
        name="ovn-northd",
        argv=(
            "ovn-northd",
            f"--ovnnb-db={north}",
            f"--ovnsb-db={south}",
            f"--pidfile={run}/ovn-northd.pid",
            f"--unixctl={run}/ovn-northd.ctl",
            *_LOG,
        ),
        environment=env,
        after=("ovn-northbound", "ovn-southbound"),
        ready=lambda: accepts(run / "ovn-northd.ctl"),
    )
    return _ovn_database(settings, "northbound", "nb"), _ovn_database(settings, "southbound", "sb"), northd


def close_external_network(settings: Settings) -> None:
    """Take away what `up` added to the machine's own network; nothing happens if it is not there."""
    table = names.nft_table(settings)
    _nft(f"table ip {table}\ndelete table ip {table}\n")
    # A killed switch leaves its devices behind; the last is the userspace datapath's own.
    for device in (names.integration_bridge(settings), names.external_bridge(settings), "ovs-netdev"):
        if _device_exists(device):
            _ip("link", "delete", device)


def _ovn_database(settings: Settings, name: str, short: str) -> Child:
    run = settings.run_dir / "ovn"
    return Child(
        name=f"ovn-{name}",
        argv=(
            "ovsdb-server",
            f"{settings.state_dir}/ovn/ovn{short}_db.db",
            f"--remote=punix:{run}/ovn{short}_db.sock",
            f"--pidfile={run}/ovn{short}_db.pid",
            f"--unixctl={run}/ovn{short}_db.ctl",
            *_LOG,
        ),
        environment=environment(settings),
        ready=lambda: accepts(run / f"ovn{short}_db.sock"),
    )


def _controller_sockets(settings: Settings) -> list[Path]:
    """The controller names its control socket after its process id, and takes no other name."""
    return list((settings.run_dir / "ovn").glob("ovn-controller.*.ctl"))


def _prepare_controller(settings: Settings) -> None:
    for path in _controller_sockets(settings):
        path.unlink()
    _wait_before_clear(settings, _FLOWS_KEPT_MS)


def _wait_before_clear(settings: Settings, milliseconds: int) -> None:
    """How long the controller leaves the switch's flows as it finds them when it connects."""
    setting = f"external-ids:ovn-ofctrl-wait-before-clear={milliseconds}"
    _write_switch(settings, "set", "open_vswitch", ".", setting)


def _tell_switch(settings: Settings) -> None:
    """Bridges and OVN's settings of this host."""
    integration, external = names.integration_bridge(settings), names.external_bridge(settings)
    kind = settings.datapath_type
    chassis = names.chassis(settings.state_dir).read_text().strip()
    southbound = settings.southbound or f"unix:{settings.run_dir}/ovn/ovnsb_db.sock"
    _write_switch(
        settings,
        *("init",),
        *("--", "set", "open_vswitch", ".", f"external-ids:system-id={chassis}"),
        f"external-ids:hostname={socket.gethostname()}",
        # Quoted: several servers of a cluster are separated by commas.
        f'external-ids:ovn-remote="{southbound}"',
        "external-ids:ovn-encap-type=geneve",
        "external-ids:ovn-encap-ip=127.0.0.1",
        f"external-ids:ovn-bridge={integration}",
        f"external-ids:ovn-bridge-datapath-type={kind}",
        f"external-ids:ovn-bridge-mappings={PHYSICAL_NETWORK}:{external}",
        # One thread each: a box that needs more has cores, and each costs memory.
        "other_config:n-revalidator-threads=1",
        "other_config:n-handler-threads=1",
        *("--", "--may-exist", "add-br", integration),
        *("--", "set", "bridge", integration, f"datapath_type={kind}", "fail_mode=secure"),
        "other-config:disable-in-band=true",
        *("--", "--may-exist", "add-br", external),
        *("--", "set", "bridge", external, f"datapath_type={kind}"),
        f"other-config:hwaddr={_stable_mac(chassis)}",
    )


def _open_external_network(settings: Settings) -> None:
    """Give the box the gateway's address on the external network, and guests the way out through the box.

    Repeated at each start of the switch: a recreated bridge is down and has no address.
    """
    bridge = names.external_bridge(settings)
    network = settings.external_cidr
    _ip("link", "set", names.integration_bridge(settings), "up")
    _ip("address", "replace", gateway_address(network), "dev", bridge)
    _ip("link", "set", bridge, "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    table = names.nft_table(settings)
    _nft(
        f"table ip {table}\ndelete table ip {table}\n"
        f"table ip {table} {{ chain out {{ type nat hook postrouting priority srcnat;\n"
        f'ip saddr {network} oifname != "{bridge}" masquerade;\n}}\n}}\n'
    )


def gateway_address(cidr: str) -> str:
    """The first address of the external network, with its prefix: the box itself. No `ipaddress`, which would
    double the supervisor's memory for one addition."""
    address, _, prefix = cidr.partition("/")
    number = int.from_bytes(socket.inet_aton(address), "big")
    first = (number & (0xFFFFFFFF << (32 - int(prefix)))) + 1
    return f"{socket.inet_ntoa(first.to_bytes(4, 'big'))}/{prefix}"


def _stop_switch(settings: Settings) -> None:
    """End the switch and take its bridges and datapath along."""
    socket_path = f"{settings.run_dir}/ovs/ovs-vswitchd.ctl"
    _run(settings, "ovs-appctl", f"--timeout={_COMMAND_TIMEOUT_S}", "-t", socket_path, "exit", "--cleanup")


def _stable_mac(chassis: str) -> str:
    """The same address at every start, so that guests' neighbours need not learn a new one."""
    return ":".join(["02", *(chassis[i : i + 2] for i in range(0, 10, 2))])


def _device_exists(name: str) -> bool:
    """Asked of the kernel: /sys shows the devices of the network namespace it was mounted in, not of ours."""
    return name in (device for _, device in socket.if_nameindex())


def _ip(*words: str) -> None:
    _checked(["ip", *words], {})


def _nft(text: str) -> None:
    _checked(["nft", "-f", "-"], {}, text)


def _write_switch(settings: Settings, *words: str) -> None:
    """Change the switch's database; the switch itself may be away."""
    database = f"--db=unix:{settings.run_dir}/ovs/db.sock"
    _run(settings, "ovs-vsctl", database, f"--timeout={_COMMAND_TIMEOUT_S}", "--no-wait", *words)


def _run(settings: Settings, *argv: str) -> str:
    return _checked(list(argv), environment(settings))


def _checked(argv: list[str], extra: dict[str, str], text: str = "") -> str:
    done = subprocess.run(
        argv,
        env=os.environ | extra,
        input=text,
        text=True,
        capture_output=True,
        timeout=_COMMAND_TIMEOUT_S * 2,
    )
    if done.returncode != 0:
        raise Unavailable(f"`{' '.join(argv[:3])} …` failed: {done.stderr.strip()}")
    return done.stdout.strip()
