"""What can go wrong with networks. The names are those that network clients already know."""

from volutus.errors import Conflict, Forbidden, Invalid, NoCapacity, NotFound, Stale


class InvalidInput(Invalid):
    code = "network.invalid"


class NetworkNotFound(NotFound):
    code = "network.network.not_found"


class SubnetNotFound(NotFound):
    code = "network.subnet.not_found"


class PortNotFound(NotFound):
    code = "network.port.not_found"


class RouterNotFound(NotFound):
    code = "network.router.not_found"


class FloatingIPNotFound(NotFound):
    code = "network.floating_ip.not_found"


class SecurityGroupNotFound(NotFound):
    code = "network.security_group.not_found"


class SecurityGroupRuleNotFound(NotFound):
    code = "network.security_group_rule.not_found"


class TagNotFound(NotFound):
    code = "network.tag.not_found"


class RouterInterfaceNotFound(NotFound):
    code = "network.router.interface_not_found"


class AgentNotFound(NotFound):
    code = "network.agent.not_found"


class NetworkInUse(Conflict):
    code = "network.network.in_use"


class InvalidSharedSetting(Conflict):
    code = "network.network.shared_in_use"


class ExternalNetworkInUse(Conflict):
    code = "network.network.external_in_use"


class DefaultExternalNetworkExists(Conflict):
    code = "network.network.default_exists"


class FlatNetworkInUse(Conflict):
    code = "network.network.flat_in_use"


class SubnetInUse(Conflict):
    code = "network.subnet.in_use"


class GatewayIpInUse(Conflict):
    code = "network.subnet.gateway_in_use"


class OverlappingAllocationPools(Conflict):
    code = "network.subnet.pools_overlap"


class GatewayConflictWithAllocationPools(Conflict):
    code = "network.subnet.gateway_in_pool"


class InvalidAllocationPool(Invalid):
    code = "network.subnet.invalid_pool"


class OutOfBoundsAllocationPool(Invalid):
    code = "network.subnet.pool_out_of_bounds"


class SubnetPoolNotFound(NotFound):
    code = "network.subnet_pool.not_found"


class SubnetPoolInUse(Conflict):
    code = "network.subnet_pool.in_use"


class SubnetAllocationError(Conflict):
    code = "network.subnet_pool.exhausted"


class SubnetPoolQuotaExceeded(Conflict):
    code = "network.subnet_pool.quota"


class PortInUse(Conflict):
    code = "network.port.in_use"


class ServicePortInUse(Conflict):
    code = "network.port.service_in_use"


class MacAddressInUse(Conflict):
    code = "network.port.mac_in_use"


class IpAddressAlreadyAllocated(Conflict):
    code = "network.address.in_use"


class IpAddressGenerationFailure(NoCapacity):
    code = "network.address.exhausted"


class InvalidIpForNetwork(Invalid):
    code = "network.address.not_on_network"


class InvalidIpForSubnet(Invalid):
    code = "network.address.not_on_subnet"


class PortSecurityAndIPRequiredForSecurityGroups(Conflict):
    code = "network.port.security_groups_without_port_security"


class AddressPairAndPortSecurityRequired(Conflict):
    code = "network.port.address_pairs_without_port_security"


class PortSecurityPortHasSecurityGroup(Conflict):
    code = "network.port.has_security_group"


class AddressPairMatchesPortFixedIPAndMac(Invalid):
    code = "network.port.address_pair_is_own"


class RouterInUse(Conflict):
    code = "network.router.in_use"


class RouterInterfaceInUseByFloatingIP(Conflict):
    code = "network.router.interface_in_use_by_floating_ip"


class UnableToAddExtraGateways(Conflict):
    code = "network.router.one_gateway_only"


class UnableToMatchGateways(Invalid):
    code = "network.router.no_such_gateway"


class RouterExternalGatewayInUseByFloatingIp(Conflict):
    code = "network.router.gateway_in_use_by_floating_ip"


class RouterInterfaceInUseByRoute(Conflict):
    code = "network.router.interface_in_use_by_route"


class RouterInterfaceAttachmentConflict(Conflict):
    code = "network.router.interface_conflict"


class RouterInterfaceNotFoundForSubnet(NotFound):
    code = "network.router.not_on_subnet"


class SubnetMismatchForPort(Conflict):
    code = "network.router.subnet_mismatch"


class RoutesExhausted(Invalid):
    code = "network.router.too_many_routes"


class InvalidRoutes(Invalid):
    code = "network.router.invalid_routes"


class ExternalGatewayForFloatingIPNotFound(NotFound):
    code = "network.floating_ip.no_gateway"


class FloatingIPPortAlreadyAssociated(Conflict):
    code = "network.floating_ip.port_in_use"


class SecurityGroupInUse(Conflict):
    code = "network.security_group.in_use"


class SecurityGroupNameAmbiguous(Conflict):
    code = "network.security_group.name_ambiguous"


class SecurityGroupCannotRemoveDefault(Conflict):
    code = "network.security_group.default_stays"


class SecurityGroupCannotUpdateDefault(Conflict):
    code = "network.security_group.default_keeps_name"


class SecurityGroupDefaultAlreadyExists(Conflict):
    code = "network.security_group.default_exists"


class SecurityGroupRuleExists(Conflict):
    code = "network.security_group_rule.exists"


class SecurityGroupInvalidPortValue(Invalid):
    code = "network.security_group_rule.port_value"


class SecurityGroupInvalidPortRange(Invalid):
    code = "network.security_group_rule.port_range"


class SecurityGroupRuleInvalid(Invalid):
    code = "network.security_group_rule.invalid"


class InvalidQuotaValue(Conflict):
    code = "network.quota.below_usage"


class RevisionNumberConstraintFailed(Stale):
    code = "network.stale"


class PolicyNotAuthorized(Forbidden):
    code = "network.forbidden"


class NicRequestAmbiguous(Conflict):
    code = "network.server.ambiguous"


class AddressScopeNotFound(NotFound):
    code = "network.address_scope.not_found"


class AddressScopeInUse(Conflict):
    code = "network.address_scope.in_use"


class AddressScopeUpdateError(Invalid):
    code = "network.address_scope.stays_shared"


class AddressGroupNotFound(NotFound):
    code = "network.address_group.not_found"


class AddressGroupInUse(Conflict):
    code = "network.address_group.in_use"


class AddressesAlreadyExist(Invalid):
    code = "network.address_group.has_address"


class AddressesNotFound(NotFound):
    code = "network.address_group.no_address"


class RbacPolicyNotFound(NotFound):
    code = "network.rbac_policy.not_found"


class RbacPolicyInUse(Conflict):
    code = "network.rbac_policy.in_use"


class DuplicateRbacPolicy(Conflict):
    code = "network.rbac_policy.exists"


class FlavorNotFound(NotFound):
    code = "network.flavor.not_found"


class FlavorInUse(Conflict):
    code = "network.flavor.in_use"


class ServiceProfileNotFound(NotFound):
    code = "network.service_profile.not_found"


class ServiceProfileInUse(Conflict):
    code = "network.service_profile.in_use"


class FlavorServiceProfileBindingExists(Conflict):
    code = "network.flavor.has_profile"


class FlavorServiceProfileBindingNotFound(NotFound):
    code = "network.flavor.no_profile"


class DefaultSecurityGroupRuleNotFound(NotFound):
    code = "network.default_rule.not_found"


class AutoAllocationFailure(Conflict):
    code = "network.topology.not_possible"


class QosPolicyNotFound(NotFound):
    code = "network.qos_policy.not_found"


class QosPolicyInUse(Conflict):
    code = "network.qos_policy.in_use"


class QosRuleNotFound(NotFound):
    code = "network.qos_rule.not_found"


class QoSRulesConflict(Conflict):
    code = "network.qos_rule.exists"


class QosRuleNotSupported(Conflict):
    code = "network.qos_rule.not_supported"


class TrunkNotFound(NotFound):
    code = "network.trunk.not_found"


class TrunkPortInUse(Conflict):
    code = "network.trunk.port_in_use"


class PortInUseAsSubPort(Conflict):
    code = "network.trunk.sub_port_in_use"


class DuplicateSubPort(Conflict):
    code = "network.trunk.duplicate_segment"


class SubPortNotFound(NotFound):
    code = "network.trunk.sub_port_not_found"


class TrunkDisabled(Conflict):
    code = "network.trunk.disabled"


class PortForwardingNotFound(NotFound):
    code = "network.port_forwarding.not_found"


class PortForwardingExists(Conflict):
    code = "network.port_forwarding.exists"


class FipInUseByPortForwarding(Conflict):
    code = "network.port_forwarding.floating_ip_in_use"


class SegmentNotFound(NotFound):
    code = "network.segment.not_found"


class SubnetsNotAllAssociatedWithSegments(Invalid):
    code = "network.subnet.segments_mixed"


class SegmentInUse(Conflict):
    code = "network.segment.in_use"


class SubnetPoolsOverlap(Conflict):
    code = "network.subnet_pool.overlap"


class MeteringLabelNotFound(NotFound):
    code = "network.metering_label.not_found"


class MeteringLabelRuleNotFound(NotFound):
    code = "network.metering_label_rule.not_found"


class MeteringLabelRuleOverlaps(Conflict):
    code = "network.metering_label_rule.overlaps"
