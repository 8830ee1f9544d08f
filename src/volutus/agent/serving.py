"""What a host does for its networks: ports of guests, metadata, VPN gateways."""

from volutus.agent.actions import DropMetadata, DropVpn, PlugPort, ServeMetadata, ServeVpn, UnplugPort
from volutus.agent.network import Network

Service = PlugPort | UnplugPort | ServeMetadata | DropMetadata | ServeVpn | DropVpn


def serve(action: Service, network: Network) -> None:
    """Carry it out. Raises HostFault."""
    match action:
        case PlugPort(guest_id, nic):
            network.plug(guest_id, nic)
        case UnplugPort(port_id):
            network.unplug(port_id)
        case ServeMetadata(network_id, port):
            network.serve_metadata(network_id, port)
        case DropMetadata(network_id):
            network.drop_metadata(network_id)
        case ServeVpn(spec):
            network.serve_gateway(spec)
        case DropVpn(gateway_id):
            network.drop_gateway(gateway_id)
