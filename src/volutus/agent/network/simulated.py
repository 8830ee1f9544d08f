"""Taps that are only pretended: same protocol, no interface."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from volutus.agent.hypervisor.simulated import never
from volutus.agent.network import MarkedTraffic, MetadataTrees
from volutus.agent.state import PortSeen, Traffic
from volutus.wire import CheckSpec, GuestNic, MetadataPort, VpnSpec


@dataclass
class SimulatedNetwork:
    """`trouble` is called before each change with its name and may raise HostFault."""

    trouble: Callable[[str], None] = never
    trees: MetadataTrees = field(default_factory=dict)
    _ports: dict[str, PortSeen] = field(default_factory=dict)
    _metadata: dict[str, MetadataPort] = field(default_factory=dict)
    _checked: dict[str, bool] = field(default_factory=dict)
    _gateways: dict[str, VpnSpec | None] = field(default_factory=dict)

    def ports(self) -> dict[str, PortSeen]:
        return dict(self._ports)

    def tap(self, port_id: str) -> str:
        return f"tap{port_id[:11]}"

    def plug(self, guest_id: str, nic: GuestNic) -> None:
        self.trouble("plug")
        self._ports[nic.port_id] = PortSeen(guest_id)

    def unplug(self, port_id: str) -> None:
        self.trouble("unplug")
        self._ports.pop(port_id, None)

    def carried(self) -> MarkedTraffic | None:
        """Nothing passes."""
        return {}

    def traffic(self, marks: Mapping[str, int], carried: MarkedTraffic | None) -> dict[str, Traffic]:  # noqa: ARG002
        return {port_id: Traffic(outside={}) for port_id in marks.keys() & self._ports.keys()}

    def metadata(self) -> dict[str, MetadataPort]:
        return dict(self._metadata)

    def serve_metadata(self, network_id: str, port: MetadataPort) -> None:
        self.trouble("serve_metadata")
        self._metadata[network_id] = port

    def drop_metadata(self, network_id: str) -> None:
        self.trouble("drop_metadata")
        self._metadata.pop(network_id, None)

    def publish(self, trees: MetadataTrees) -> None:
        self.trees = trees

    def check(self, members: Sequence[CheckSpec]) -> None:
        """All answer: there is nobody to be asked."""
        self._checked = {member.id: True for member in members}

    def checked(self) -> dict[str, bool]:
        return dict(self._checked)

    def gateways(self) -> dict[str, VpnSpec | None]:
        return dict(self._gateways)

    def serve_gateway(self, spec: VpnSpec) -> None:
        self.trouble("serve_gateway")
        self._gateways[spec.id] = spec

    def drop_gateway(self, gateway_id: str) -> None:
        self.trouble("drop_gateway")
        self._gateways.pop(gateway_id, None)

    def handshakes(self) -> dict[str, dict[str, int]]:
        """Nobody connects."""
        return {}

    def close(self) -> None:
        """Nothing is open."""
