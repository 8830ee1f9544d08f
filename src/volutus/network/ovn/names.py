"""The names of rows, from the ids of what they belong to: whoever refers to a row, or looks for one that may
have been left, finds it by its name alone."""

FORWARDED_PROTOCOLS = ("tcp", "udp")


# A network has no more segments than this.
SEGMENTS_MAX = 8


def localnet_names(network_id: str) -> list[str]:
    """The switch's ports to physical networks: that to the first, and those to more."""
    return [f"provnet-{network_id}{f'-{number}' if number else ''}" for number in range(SEGMENTS_MAX)]


def router_port_name(port_id: str) -> str:
    """The router's side of the switch port `port_id`."""
    return f"lrp-{port_id}"


def port_group_name(group_id: str) -> str:
    """A name OVN can use in expressions, which have no hyphen; `$NAME_ip4` are its members' addresses."""
    return "pg_" + group_id.replace("-", "_")


def address_set_name(group_id: str, ip_version: int) -> str:
    """The addresses of one version in an address group, as expressions name them."""
    return f"ag_{group_id.replace('-', '_')}_ip{ip_version}"


def own_dhcp_name(port_id: str, ip_version: int) -> str:
    """The DHCP options that are one port's alone."""
    return f"{port_id}/{ip_version}"


def qos_names(owner_id: str) -> tuple[str, str]:
    """The limits of what a port or floating IP sends, and of what it gets."""
    return f"{owner_id}/egress", f"{owner_id}/ingress"


def forwarding_name(router_id: str, protocol: str) -> str:
    """All forwarded ports of one protocol on a router."""
    return f"{router_id}/{protocol}"
