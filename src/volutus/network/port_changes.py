"""How ports change and go once they exist: what may be set later, and what holds a port in place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import delete, exists, select, update

from volutus import audit
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import (
    allocation,
    dhcp_options,
    dns_names,
    networks,
    port_removal,
    ports,
    public_addresses,
    qos_policies,
    security_groups,
    units,
)
from volutus.network.allocation import Claimant, FixedIp, FixedIpRequest
from volutus.network.changes import check_revision
from volutus.network.dhcp_options import DhcpOption
from volutus.network.errors import (
    AddressPairAndPortSecurityRequired,
    InvalidInput,
    MacAddressInUse,
    PolicyNotAuthorized,
    PortInUse,
    PortSecurityAndIPRequiredForSecurityGroups,
    PortSecurityPortHasSecurityGroup,
    ServicePortInUse,
    TrunkPortInUse,
)
from volutus.network.networks import Network
from volutus.network.ovn.model import Kind
from volutus.network.ports import AddressPair, Port
from volutus.network.tables import floating_ips, port_security_groups, router_interfaces, sub_ports, trunks
from volutus.network.tables import port_forwardings as forwarding_rows
from volutus.network.tables import ports as port_rows

# What a router, floating IP or the network itself holds: nobody takes these names for his own ports.
HELD = (
    ports.ROUTER_INTERFACE,
    ports.ROUTER_GATEWAY,
    ports.FLOATING_IP,
    ports.METADATA,
    ports.LOAD_BALANCER,
    ports.LOAD_BALANCER_PROBE,
    ports.VPN,
)


@dataclass(frozen=True)
class PortChanges:
    """UNSET stays as it is. An empty `host_name` unbinds the port."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    mac: str | UnsetType = UNSET
    fixed_ips: tuple[FixedIpRequest, ...] | UnsetType = UNSET
    security_group_ids: tuple[str, ...] | UnsetType = UNSET
    port_security: bool | UnsetType = UNSET
    address_pairs: tuple[AddressPair, ...] | UnsetType = UNSET
    device_id: str | UnsetType = UNSET
    device_owner: str | UnsetType = UNSET
    host_name: str | UnsetType = UNSET
    vnic_type: str | UnsetType = UNSET
    binding_profile: Mapping[str, Any] | UnsetType = UNSET
    qos_policy_id: str | UnsetType | None = UNSET
    dhcp_options: tuple[DhcpOption, ...] | UnsetType = UNSET
    dns_name: str | UnsetType = UNSET
    dns_domain: str | UnsetType = UNSET


# Copied as they are; the rest is more than a column.
_PLAIN = (
    "name",
    "description",
    "enabled",
    "mac",
    "port_security",
    "device_id",
    "device_owner",
    "host_name",
    "vnic_type",
    "qos_policy_id",
    "dns_name",
    "dns_domain",
)


def change(
    tx: Tx, caller: Caller, port_id: str, changes: PortChanges, if_revision: int | None = None
) -> Port:
    """Change what is given. Raises MacAddressInUse, IpAddressAlreadyAllocated, and the errors of combinations
    of port security, groups and address pairs that make no sense."""
    port = ports.get(tx, caller, port_id, lock=True)
    check_revision(port.revision, if_revision)
    network = networks.hold(tx, caller, port.network_id)
    _check_rights(caller, network, port, changes)
    _check_protection(port, changes)
    dns_names.check(changes.dns_name or "", changes.dns_domain or "")
    qos_policies.hold(tx, caller, changes.qos_policy_id)
    values = _values(changes)
    if changes.dhcp_options is not UNSET:
        wanted = dhcp_options.merged(port.dhcp_options, changes.dhcp_options)
        dhcp_options.check(wanted)
        values["dhcp_options"] = ports.stored_options(wanted)
    if changes.mac is not UNSET and changes.mac != port.mac:
        _refuse_taken_mac(tx, port, changes.mac)
    if changes.device_owner is not UNSET and changes.device_owner in HELD and port.device_owner not in HELD:
        raise InvalidInput(
            f"Invalid input for device_owner: {changes.device_owner} is set by the cloud alone."
        )
    tx.execute(
        update(port_rows)
        .where(port_rows.c.id == port_id)
        .values(**values, revision=port_rows.c.revision + 1, updated_at=tx.now)
    )
    if changes.fixed_ips is not UNSET:
        _readdress(tx, port, changes.fixed_ips)
        if network.public:
            public_addresses.follow_port(tx, port_id)
    if changes.security_group_ids is not UNSET:
        _regroup(tx, caller, port, changes.security_group_ids)
    audit.record(tx, caller, "update", "network.port", port_id, {"fields": sorted(values)})
    changed = ports.get(tx, caller, port_id)
    _touch(tx, port)
    named = [one for one in (port, changed) if one.dns_name]
    if named and (port.dns_name, port.fixed_ips) != (changed.dns_name, changed.fixed_ips):
        units.touch(tx, Kind.NETWORK, [port.network_id])
    return changed


def remove(tx: Tx, caller: Caller, port_id: str, if_revision: int | None = None) -> None:
    """Delete a port. Raises ServicePortInUse for one that a router or floating IP holds; those go by their
    own verbs. A network's metadata port may go, as in Neutron: people clear a network that way."""
    port = ports.get(tx, caller, port_id, lock=True)
    check_revision(port.revision, if_revision)
    if port.device_owner in HELD and port.device_owner != ports.METADATA:
        raise ServicePortInUse(
            f"Port {port_id} cannot be deleted directly via the port API: has device owner "
            f"{port.device_owner}."
        )
    refuse_in_trunk(tx, port_id)
    ports.erase(tx, caller, [port])
    if port.device_owner == ports.METADATA:
        units.touch(tx, Kind.NETWORK, [port.network_id])


def _check_rights(caller: Caller, network: Network, port: Port, changes: PortChanges) -> None:
    if ports.is_network_owner(caller, network):
        return
    if not caller.sees(port.project_id):
        raise PolicyNotAuthorized("Only the port's own project may change it.")
    asked = () if changes.fixed_ips is UNSET else changes.fixed_ips
    have = {fixed.address for fixed in port.fixed_ips}
    refused = {
        "mac_address": changes.mac is not UNSET,
        "fixed_ips": any(request.address is not None and request.address not in have for request in asked),
        "port_security_enabled": changes.port_security is not UNSET,
        "allowed_address_pairs": changes.address_pairs is not UNSET,
    }
    for name, given in refused.items():
        if given:
            raise PolicyNotAuthorized(f"Only the network's own project may set {name}.", field=name)


def _check_protection(port: Port, changes: PortChanges) -> None:
    secured = port.port_security if changes.port_security is UNSET else changes.port_security
    if secured:
        return
    if changes.security_group_ids is not UNSET and changes.security_group_ids:
        raise PortSecurityAndIPRequiredForSecurityGroups(
            "Port security must be enabled and port must have an IP address in order to use security groups."
        )
    if port.security_group_ids and changes.security_group_ids is UNSET:
        raise PortSecurityPortHasSecurityGroup(
            "Port has security group associated. Cannot disable port security or IP address until security "
            "group is removed."
        )
    pairs = port.address_pairs if changes.address_pairs is UNSET else changes.address_pairs
    if pairs:
        raise AddressPairAndPortSecurityRequired(
            "Port Security must be enabled in order to have allowed address pairs on a port."
        )


def _values(changes: PortChanges) -> dict[str, Any]:
    values = {name: value for name in _PLAIN if (value := getattr(changes, name)) is not UNSET}
    if changes.address_pairs is not UNSET:
        if len(changes.address_pairs) > ports.ADDRESS_PAIRS_MAX:
            raise InvalidInput(
                f"The number of allowed address pairs exceeds the maximum {ports.ADDRESS_PAIRS_MAX}.",
                field="allowed_address_pairs",
            )
        values["address_pairs"] = [[pair.address, pair.mac] for pair in changes.address_pairs]
    if changes.binding_profile is not UNSET:
        values["binding_profile"] = dict(changes.binding_profile)
    if changes.host_name == "":
        values["chassis"] = ""
    return values


def _refuse_taken_mac(tx: Tx, port: Port, mac: str) -> None:
    if port.host_name:
        raise PortInUse(
            f"Unable to complete operation on port {port.id}, port is already bound to {port.host_name}."
        )
    taken = exists().where(port_rows.c.network_id == port.network_id, port_rows.c.mac == mac)
    if tx.value(select(taken)):
        raise MacAddressInUse(
            f"Unable to complete operation for network {port.network_id}. The mac address {mac} is in use."
        )


def _readdress(tx: Tx, port: Port, requests: Sequence[FixedIpRequest]) -> None:
    """Give back what is not asked for any more, and take what is new. An address that the port has stays,
    whether asked for by itself or as any of its subnet."""
    spaces = allocation.spaces(tx, port.network_id)
    automatic = {space.subnet_id for space in spaces if space.is_auto}
    kept: list[FixedIp] = []
    new: list[FixedIpRequest] = []
    for request in requests:
        found = next((f for f in port.fixed_ips if f not in kept and _fits(request, f)), None)
        if found is None:
            new.append(request)
        else:
            kept.append(found)
    kept += [f for f in port.fixed_ips if requests and f.subnet_id in automatic and f not in kept]
    gone = [f.address for f in port.fixed_ips if f not in kept]
    if gone:
        ports.free_floating_ips(tx, floating_ips.c.port_id == port.id, floating_ips.c.fixed_ip.in_(gone))
        port_removal.drop_forwardings(
            tx, forwarding_rows.c.port_id == port.id, forwarding_rows.c.internal_ip.in_(gone)
        )
        allocation.release(tx, port.id, gone)
    # What is automatic came when the port was made or the subnet was: nothing is added to it here.
    have = {fixed.subnet_id for fixed in kept}
    claimant = Claimant(port.id, port.network_id, port.mac, port.device_owner)
    allocation.allocate(tx, claimant, new, [s for s in spaces if not (s.is_auto and s.subnet_id in have)])


def refuse_in_trunk(tx: Tx, port_id: str) -> None:
    """Raises TrunkPortInUse for a port that is a trunk's parent or in one."""
    parent = select(trunks.c.id).where(trunks.c.port_id == port_id)
    inside = select(sub_ports.c.trunk_id).where(sub_ports.c.port_id == port_id)
    trunk_id = tx.value(parent.union(inside).limit(1))
    if trunk_id is not None:
        raise TrunkPortInUse(f"Port {port_id} is in use by trunk {trunk_id}.")


def _fits(request: FixedIpRequest, fixed: FixedIp) -> bool:
    if request.subnet_id is not None and request.subnet_id != fixed.subnet_id:
        return False
    return request.address is None or request.address == fixed.address


def _regroup(tx: Tx, caller: Caller, port: Port, group_ids: Sequence[str]) -> None:
    held = security_groups.hold(tx, caller, group_ids, port.project_id)
    tx.execute(
        delete(port_security_groups).where(
            port_security_groups.c.port_id == port.id, port_security_groups.c.group_id.notin_(held)
        )
    )
    ports.join_groups(tx, port.id, held)


def _touch(tx: Tx, port: Port) -> None:
    if port.device_owner != ports.FLOATING_IP:
        units.touch(tx, Kind.PORT, [port.id])
    if port.device_owner.startswith("network:router_"):
        interface = select(router_interfaces.c.router_id).where(router_interfaces.c.port_id == port.id)
        units.touch(tx, Kind.ROUTER, [tx.value(interface) or port.device_id])
    if port.device_owner == ports.METADATA:
        units.touch(tx, Kind.NETWORK, [port.network_id])
