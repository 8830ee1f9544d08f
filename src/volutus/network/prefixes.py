"""The arithmetic of subnets: which pools, gateways and prefixes make sense. Pure."""

import ipaddress
import itertools
from collections.abc import Sequence

from volutus.network.allocation import AUTO_MODES, Pool
from volutus.network.errors import (
    GatewayConflictWithAllocationPools,
    InvalidAllocationPool,
    InvalidInput,
    OutOfBoundsAllocationPool,
    OverlappingAllocationPools,
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SLAAC_PREFIX = 64


def parse_cidr(text: str, ip_version: int | None) -> Network:
    """A network in its one spelling. Raises InvalidInput for host bits, or another IP version."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidInput(
            f"Invalid input for cidr. Reason: '{text}' is not a valid IP subnet.", field="cidr"
        ) from None
    if "/" not in text or ipaddress.ip_interface(text).ip != network.network_address:
        raise InvalidInput(
            f"Invalid input for cidr. Reason: '{text}' isn't a recognized IP subnet cidr, "
            f"'{network}' is recommended.",
            field="cidr",
        )
    if ip_version is not None and network.version != ip_version:
        raise InvalidInput(
            f"Invalid input for operation: cidr '{network}' does not match the ip_version '{ip_version}'.",
            field="ip_version",
        )
    return network


def default_gateway(cidr: Network) -> str | None:
    """The first address after the network's own; none where there is no room."""
    if cidr.num_addresses < 2:
        return None
    return str(cidr[0] if cidr.version == 4 and cidr.prefixlen == 31 else cidr[1])


def check_gateway(cidr: Network, gateway: str | None) -> None:
    """Raises InvalidInput for a gateway that no host could be."""
    if gateway is None:
        return
    address = ipaddress.ip_address(gateway)
    if address.version != cidr.version:
        raise InvalidInput(
            f"Invalid input for operation: gateway_ip '{gateway}' does not match the ip_version "
            f"'{cidr.version}'.",
            field="gateway_ip",
        )
    first, last = usable(cidr)
    if address in cidr and not first <= int(address) <= last:
        raise InvalidInput(
            f"Invalid input for operation: Gateway {gateway} is not valid on subnet.", field="gateway_ip"
        )


def usable(cidr: Network) -> tuple[int, int]:
    """The lowest and highest address that a host may have, as numbers."""
    first, last = int(cidr.network_address), int(cidr.broadcast_address)
    if cidr.version == 4 and cidr.prefixlen < 31:
        return first + 1, last - 1
    if cidr.version == 6 and cidr.prefixlen < 127:
        # The all-zeros interface id is every router's address (RFC 4291, 2.6.1).
        return first + 1, last
    return first, last


def default_pools(cidr: Network, gateway: str | None) -> list[Pool]:
    """Everything but the gateway."""
    first, last = usable(cidr)
    hole = int(ipaddress.ip_address(gateway)) if gateway else -1
    if not first <= hole <= last:
        return [_pool(cidr, first, last)]
    ranges = [(first, hole - 1), (hole + 1, last)]
    return [_pool(cidr, low, high) for low, high in ranges if low <= high]


def check_pools(cidr: Network, pools: Sequence[Pool], gateway: str | None) -> list[Pool]:
    """The pools in order. Raises for pools upside down, outside, overlapping, or over the gateway."""
    first, last = usable(cidr)
    ranges = sorted((_parsed(pool) for pool in pools), key=lambda pair: int(pair[0]))
    for low, high in ranges:
        if low.version != cidr.version or high.version != cidr.version or high < low:  # type: ignore[operator]
            raise InvalidAllocationPool(
                f"The allocation pool {low}-{high} is not valid.", field="allocation_pools"
            )
        if int(low) < first or int(high) > last:
            raise OutOfBoundsAllocationPool(
                f"The allocation pool {low}-{high} spans beyond the subnet cidr {cidr}.",
                field="allocation_pools",
            )
        if gateway and int(low) <= int(ipaddress.ip_address(gateway)) <= int(high):
            raise GatewayConflictWithAllocationPools(
                f"Gateway ip {gateway} conflicts with allocation pool {low}-{high}."
            )
    for (low, high), (next_low, next_high) in itertools.pairwise(ranges):
        if int(next_low) <= int(high):
            raise OverlappingAllocationPools(
                f"Found overlapping allocation pools: {low}-{high}, {next_low}-{next_high} for subnet {cidr}."
            )
    return [Pool(str(low), str(high)) for low, high in ranges]


def check_modes(cidr: Network, *, enable_dhcp: bool, address_mode: str | None, ra_mode: str | None) -> None:
    """Raises InvalidInput for ways of addressing that do not go together."""
    if address_mode is None and ra_mode is None:
        return
    if cidr.version == 4:
        raise InvalidInput(
            "Invalid input for operation: ipv6_ra_mode or ipv6_address_mode cannot be set when ip_version "
            "is 4."
        )
    if not enable_dhcp:
        raise InvalidInput(
            "Invalid input for operation: ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp "
            "is set to False."
        )
    if address_mode and ra_mode and address_mode != ra_mode:
        raise InvalidInput(
            f"Invalid input for operation: ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode set to "
            f"'{address_mode}' is not valid. If both attributes are set, they must be the same value."
        )
    if (address_mode in AUTO_MODES or ra_mode in AUTO_MODES) and cidr.prefixlen != SLAAC_PREFIX:
        raise InvalidInput(
            f"Invalid input for operation: Invalid CIDR {cidr} for IPv6 address mode. OpenStack uses the "
            "EUI-64 address format, which requires the prefix to be /64"
        )


def _parsed(pool: Pool) -> tuple[Address, Address]:
    try:
        return ipaddress.ip_address(pool.first), ipaddress.ip_address(pool.last)
    except ValueError:
        raise InvalidAllocationPool(
            f"The allocation pool {pool.first}-{pool.last} is not valid.", field="allocation_pools"
        ) from None


def _pool(cidr: Network, first: int, last: int) -> Pool:
    kind = ipaddress.IPv4Address if cidr.version == 4 else ipaddress.IPv6Address
    return Pool(str(kind(first)), str(kind(last)))
