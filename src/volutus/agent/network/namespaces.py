"""A network namespace for each network that has guests here: in it the network's own port, and the addresses
that metadata is asked for at.

A veth pair leads from the switch into it. Not an internal port of the switch: that one would fall back into
the host's own namespace whenever ovs-vswitchd crashes.
"""

from volutus.agent.network import links
from volutus.agent.network.metadata_server import MetadataServer
from volutus.agent.network.ovsdb import SwitchDatabase
from volutus.wire import MetadataPort

METADATA_ADDRESS = "169.254.169.254"
METADATA_ADDRESS_V6 = "fe80::a9fe:a9fe"
INNER = "eth0"
OUTER = "vmd"
_OWNER = "volutus-metadata"


class MetadataNamespaces:
    """The namespaces of one cloud, named `vmd-INSTANCE-NETWORK`. Which port a namespace was made for is noted
    on its outer interface, so that a restarted agent takes it over instead of making it anew."""

    def __init__(self, instance: str, switch: SwitchDatabase, server: MetadataServer) -> None:
        self._prefix = f"vmd-{instance}-"
        self._instance = instance
        self._switch = switch
        self._server = server

    def name(self, network_id: str) -> str:
        """The namespace of a network, whether it exists or not."""
        return self._prefix + network_id

    def made(self) -> list[str]:
        """Networks that have a namespace, whole or not."""
        return [name.removeprefix(self._prefix) for name in links.namespaces() if self._mine(name)]

    def served(self) -> dict[str, MetadataPort]:
        """Networks that this process serves. A namespace left by an earlier one counts as not served, so it
        is asked for, and taken over as it is; one that nobody asks for shows here with no port, to be
        dropped."""
        nothing = MetadataPort(port_id="", mac="", addresses=[])
        serving = self._server.ports()
        interfaces = links.interfaces()
        return {
            network_id: serving[network_id]
            if network_id in serving and _outer(serving[network_id]) in interfaces
            else nothing
            for network_id in {*self.made(), *serving}
        }

    def serve(self, network_id: str, port: MetadataPort) -> None:
        """Have a namespace for the port, and the server listening in it."""
        name = self._prefix + network_id
        outer = links.interfaces().get(_outer(port), links.Interface())
        if name not in links.namespaces() or outer.alias != self._note(network_id, port):
            self.drop(network_id)
            self._make(name, network_id, port)
        ids = {"iface-id": port.port_id, "attached-mac": port.mac, _OWNER: self._note(network_id, port)}
        self._switch.add_port(_outer(port), ids)
        addresses = [METADATA_ADDRESS]
        if links.has_ipv6():
            # Also into a namespace from before there was this address.
            _take_address(name, f"{METADATA_ADDRESS_V6}/64")
            addresses.append(METADATA_ADDRESS_V6)
        self._server.listen(network_id, name, addresses, port, INNER)

    def drop(self, network_id: str) -> None:
        """Stop serving a network and remove its namespace."""
        self._server.leave(network_id)
        start = f"{self._instance} {network_id} "
        for name, interface in links.interfaces().items():
            if interface.alias.startswith(start):
                self._switch.remove_port(name)
                # Deleting one end of the pair deletes the other.
                links.ip(["link", "del", "dev", name])
        if self._prefix + network_id in links.namespaces():
            links.ip(["netns", "del", self._prefix + network_id])

    def _make(self, name: str, network_id: str, port: MetadataPort) -> None:
        outer = _outer(port)
        links.ip(["netns", "add", name])
        if outer in links.interfaces():
            links.ip(["link", "del", "dev", outer])
        peer = ["peer", "name", INNER, "address", port.mac, "netns", name]
        links.ip(["link", "add", "name", outer, "type", "veth", *peer])
        # Without this TCP stalls: see the note on offloads in the guests' XML.
        command = [
            "ip",
            "netns",
            "exec",
            name,
            "ethtool",
            "-K",
            INNER,
            "tx",
            "off",
            "tso",
            "off",
            "gso",
            "off",
        ]
        links.run(command)
        for address in [*port.addresses, f"{METADATA_ADDRESS}/32"]:
            _take_address(name, address)
        links.ip(["link", "set", "dev", "lo", "up"], namespace=name)
        links.ip(["link", "set", "dev", INNER, "up"], namespace=name)
        links.ip(["link", "set", "dev", outer, "up"])
        # The note last: with it, the namespace is whole.
        links.set_alias(outer, self._note(network_id, port))

    def _note(self, network_id: str, port: MetadataPort) -> str:
        return f"{self._instance} {network_id} {port.port_id} {port.mac} {','.join(port.addresses)}"[:250]

    def _mine(self, name: str) -> bool:
        return name.startswith(self._prefix)


def _take_address(namespace: str, address: str) -> None:
    # No duplicate address detection: the address is the port's by OVN's word.
    flags = ["nodad"] if ":" in address else []
    links.ip(["addr", "replace", address, "dev", INNER, *flags], namespace=namespace)


def _outer(port: MetadataPort) -> str:
    return OUTER + port.port_id[:11]
