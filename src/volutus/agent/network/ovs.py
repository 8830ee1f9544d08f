"""Taps of guests as ports of Open vSwitch, and metadata namespaces beside them.

What was made is read from the machine each time: each tap has a note (`ifalias`) with its port and guest,
each switch port the same in its external ids. So after a crash at any point the next look finds what is left,
and an agent of another cloud on the same machine does not take it for its own.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.network import MarkedTraffic, MetadataTrees, Passwords, links
from volutus.agent.network.flows import MarkedFlows
from volutus.agent.network.health import HealthChecks
from volutus.agent.network.metadata_server import MetadataServer
from volutus.agent.network.namespaces import MetadataNamespaces
from volutus.agent.network.ovsdb import SwitchDatabase
from volutus.agent.network.vpn import VpnGateways
from volutus.agent.state import Carried, PortSeen, Traffic
from volutus.wire import CheckSpec, GuestNic, MetadataPort, VpnSpec

TAP = "tap"
_OWNER = "volutus-owner"
_GUEST = "volutus-guest"


@dataclass(frozen=True)
class OvsAccess:
    """`instance` is a short name of this cloud, unique on the machine."""

    database: Path
    bridge: str
    instance: str


class OvsNetwork:
    """See the module."""

    def __init__(
        self,
        access: OvsAccess,
        hint: Callable[[], None] = lambda: None,
        passwords: Passwords | None = None,
    ) -> None:
        self._owner = f"volutus-{access.instance}"
        self._switch = SwitchDatabase(access.database, access.bridge)
        self._server = MetadataServer(passwords)
        self._namespaces = MetadataNamespaces(access.instance, self._switch, self._server)
        self._flows = MarkedFlows(access.database.parent / f"{access.bridge}.mgmt")
        self._gateways = VpnGateways(access.instance, self._switch)
        self._checks = HealthChecks(self._namespaces.name, hint)

    def chassis(self) -> str:
        """OVN's name of this host."""
        return self._switch.system_id()

    def ports(self) -> dict[str, PortSeen]:
        switched = {
            port.external_ids["iface-id"]: port.external_ids.get(_GUEST, "")
            for port in self._switch.ports(_OWNER, self._owner)
            if _GUEST in port.external_ids
        }
        tapped = {}
        for interface in links.interfaces().values():
            owner, _, rest = interface.alias.partition(" ")
            if owner == self._owner:
                port_id, _, guest_id = rest.partition(" ")
                tapped[port_id] = guest_id
        return {
            port_id: PortSeen(guest_id, whole=port_id in switched and port_id in tapped)
            for port_id, guest_id in {**switched, **tapped}.items()
        }

    def tap(self, port_id: str) -> str:
        return TAP + port_id[:11]

    def plug(self, guest_id: str, nic: GuestNic) -> None:
        name = self.tap(nic.port_id)
        note = f"{self._owner} {nic.port_id} {guest_id}"
        if name in links.interfaces():
            links.set_alias(name, note)
        else:
            links.make_tap(name, note)
        links.ip(["link", "set", "dev", name, "mtu", str(nic.mtu), "up"])
        ids = {"iface-id": nic.port_id, "attached-mac": nic.mac, _OWNER: self._owner, _GUEST: guest_id}
        self._switch.add_port(name, ids)

    def unplug(self, port_id: str) -> None:
        # The tap last: its note is what the next look goes by if this is cut short.
        name = self.tap(port_id)
        self._switch.remove_port(name)
        if name in links.interfaces():
            links.ip(["link", "del", "dev", name])

    def carried(self) -> MarkedTraffic | None:
        return self._flows.carried()

    def traffic(self, marks: Mapping[str, int], carried: MarkedTraffic | None) -> dict[str, Traffic]:
        readings = {}
        interfaces = links.interfaces()
        for port_id, mark in marks.items():
            tap = interfaces.get(self.tap(port_id))
            if tap is not None:
                # What the host receives from the tap is what the guest sent.
                readings[port_id] = Traffic(
                    received_bytes=tap.sent_bytes,
                    received_packets=tap.sent_packets,
                    sent_bytes=tap.received_bytes,
                    sent_packets=tap.received_packets,
                    outside=None if carried is None else _sizes(carried.get(mark, {})),
                )
        return readings

    def metadata(self) -> dict[str, MetadataPort]:
        return self._namespaces.served()

    def serve_metadata(self, network_id: str, port: MetadataPort) -> None:
        self._namespaces.serve(network_id, port)

    def drop_metadata(self, network_id: str) -> None:
        self._namespaces.drop(network_id)

    def publish(self, trees: MetadataTrees) -> None:
        self._server.publish(trees)

    def check(self, members: Sequence[CheckSpec]) -> None:
        self._checks.check(members)

    def checked(self) -> dict[str, bool]:
        return self._checks.checked()

    def gateways(self) -> dict[str, VpnSpec | None]:
        return self._gateways.served()

    def serve_gateway(self, spec: VpnSpec) -> None:
        self._gateways.serve(spec)

    def drop_gateway(self, gateway_id: str) -> None:
        self._gateways.drop(gateway_id)

    def handshakes(self) -> dict[str, dict[str, int]]:
        return self._gateways.handshakes()

    def close(self) -> None:
        self._checks.close()
        self._server.close()

    def remove_all(self) -> None:
        """Take away everything that this cloud made here, whoever uses it: for the end of the cloud."""
        for port_id in self.ports():
            self.unplug(port_id)
        for network_id in self._namespaces.made():
            with contextlib.suppress(HostFault):
                self.drop_metadata(network_id)
        for gateway_id in self.gateways():
            with contextlib.suppress(HostFault):
                self.drop_gateway(gateway_id)


def _sizes(flows: Mapping[str, Carried]) -> dict[str, int]:
    return {flow: carried.bytes for flow, carried in flows.items()}
