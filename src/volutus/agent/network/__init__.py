"""Guests' network cards and metadata on one host, behind one protocol: Open vSwitch, and a simulated twin.

What the switch does with packets is OVN's; a driver only gives it taps with names, and counts.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from volutus.agent.state import Carried, PortSeen, Traffic
from volutus.wire import CheckSpec, GuestNic, MetadataPort, VpnSpec

MetadataTrees = Mapping[tuple[str, str], Mapping[str, str]]
"""(network id, fixed address) to the metadata of the guest that has it: path to content."""
MarkedTraffic = Mapping[int, Mapping[str, Carried]]
"""Mark to flow to what it carried."""
Passwords = Callable[[str, bytes], bytes]
"""Hands on what a guest says of its password, or nothing, and answers what is kept. Raises HostFault."""


class Network(Protocol):
    """What connects guests. All calls block, may be made from any thread, and raise HostFault."""

    def ports(self) -> dict[str, PortSeen]:
        """All taps made here, by port id, also half-made ones."""
        ...

    def tap(self, port_id: str) -> str:
        """The tap's name, whether it exists or not."""
        ...

    def plug(self, guest_id: str, nic: GuestNic) -> None: ...

    def unplug(self, port_id: str) -> None: ...

    def carried(self) -> MarkedTraffic | None:
        """What each mark's flows have carried by now; None when the switch could not be asked."""
        ...

    def traffic(self, marks: Mapping[str, int], carried: MarkedTraffic | None) -> dict[str, Traffic]:
        """Counters of these ports, given with their traffic marks and with what marks have carried."""
        ...

    def metadata(self) -> dict[str, MetadataPort]:
        """Networks whose metadata is served, by network id, with the port it is served through."""
        ...

    def serve_metadata(self, network_id: str, port: MetadataPort) -> None: ...

    def drop_metadata(self, network_id: str) -> None: ...

    def publish(self, trees: MetadataTrees) -> None:
        """Replace what is served."""
        ...

    def check(self, members: Sequence[CheckSpec]) -> None:
        """Ask these members of load balancers from now on, and no others."""
        ...

    def checked(self) -> dict[str, bool]:
        """Which members answer, of those that were asked often enough."""
        ...

    def gateways(self) -> dict[str, VpnSpec | None]:
        """VPN gateways that are here, as this process made them; None for what an earlier one left."""
        ...

    def serve_gateway(self, spec: VpnSpec) -> None: ...

    def drop_gateway(self, gateway_id: str) -> None: ...

    def handshakes(self) -> dict[str, dict[str, int]]:
        """Gateway to its peers' public keys, and when each was last heard, in seconds of Unix time."""
        ...

    def close(self) -> None: ...
