"""What projects share: policies, address scopes and groups, flavors, rules of new groups, first networks."""

import pytest

from tests.api.network.conftest import V2


def share(owner, object_type, object_id, target="project-b", action="access_as_shared"):
    body = {"object_type": object_type, "object_id": object_id, "action": action, "target_tenant": target}
    return owner.make("rbac_policy", "rbac-policies", **body)


def test_a_network_is_shared_with_one_project_and_taken_back(net, stranger):
    network = net.make("network", name="ours")
    net.subnet(network)
    path = f"networks/{network['id']}"
    stranger.refused("GET", path, 404, "NetworkNotFound")
    policy = share(net, "network", network["id"])
    assert stranger.show(path)["shared"] is True and net.show(path)["shared"] is False
    assert [one["id"] for one in stranger.show("networks?shared=true")] == [network["id"]]
    assert len(stranger.show(f"subnets?network_id={network['id']}")) == 1
    port = stranger.make("port", network_id=network["id"])
    stranger.refused("PUT", path, 403, "PolicyNotAuthorized", {"network": {"name": "mine"}})
    net.refused("DELETE", f"rbac-policies/{policy['id']}", 409, "RbacPolicyInUse")
    stranger.delete(f"ports/{port['id']}")
    net.delete(f"rbac-policies/{policy['id']}")
    stranger.refused("GET", path, 404, "NetworkNotFound")


def test_sharing_with_everybody_and_the_attribute_are_one_thing(admin, net):
    network = admin.make("network", name="all", shared=True)
    (policy,) = admin.show(f"rbac-policies?object_id={network['id']}")
    assert (policy["target_tenant"], policy["action"]) == ("*", "access_as_shared")
    admin.delete(f"rbac-policies/{policy['id']}")
    assert admin.show(f"networks/{network['id']}")["shared"] is False
    share(admin, "network", network["id"], "*")
    assert net.show(f"networks/{network['id']}")["shared"] is True
    admin.put(f"networks/{network['id']}", {"network": {"shared": False}})
    assert admin.show(f"rbac-policies?object_id={network['id']}") == []


def test_a_policy_moves_to_another_project(net, stranger):
    network = net.make("network")
    policy = share(net, "network", network["id"])
    again = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
    body = {"rbac_policy": {**again, "target_tenant": "project-b"}}
    net.refused("POST", "rbac-policies", 409, "DuplicateRbacPolicy", body)
    path = f"rbac-policies/{policy['id']}"
    moved = net.put(path, {"rbac_policy": {"target_tenant": "project-c"}})["rbac_policy"]
    assert moved["target_project"] == "project-c"
    stranger.refused("GET", f"networks/{network['id']}", 404, "NetworkNotFound")
    net.delete(f"networks/{network['id']}")
    assert net.show("rbac-policies") == []


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"target_tenant": "*"}, 403, "PolicyNotAuthorized"),
        ({"action": "access_as_owner"}, 400, "InvalidInput"),
        ({"object_type": "router"}, 400, "InvalidInput"),
        ({"target_tenant": ""}, 400, "InvalidInput"),
    ],
)
def test_policies_that_make_no_sense(net, body, status, kind):
    network = net.make("network")
    whole = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
    whole |= {"target_tenant": "project-b"} | body
    net.refused("POST", "rbac-policies", status, kind, {"rbac_policy": whole})


def test_a_shared_security_group_guards_ports_of_another_project(net, stranger):
    group = net.make("security_group", "security-groups", name="office")
    policy = share(net, "security_group", group["id"])
    network = stranger.make("network")
    assert stranger.show(f"security-groups/{group['id']}")["shared"] is True
    port = stranger.make("port", network_id=network["id"], security_groups=[group["id"]])
    assert port["security_groups"] == [group["id"]]
    path = f"security-groups/{group['id']}"
    stranger.refused("PUT", path, 403, "PolicyNotAuthorized", {"security_group": {"name": "x"}})
    rule = {"security_group_id": group["id"], "direction": "ingress"}
    body = {"security_group_rule": rule}
    stranger.refused("POST", "security-group-rules", 404, "SecurityGroupNotFound", body)
    net.refused("DELETE", f"rbac-policies/{policy['id']}", 409, "RbacPolicyInUse")


def test_pools_of_one_scope_do_not_overlap(net, stranger):
    scope = net.make("address_scope", "address-scopes", name="s", ip_version=4)
    pool = net.make("subnetpool", prefixes=["10.8.0.0/16"], address_scope_id=scope["id"])
    assert pool["address_scope_id"] == scope["id"]
    body = {"subnetpool": {"prefixes": ["10.8.9.0/24"], "address_scope_id": scope["id"]}}
    net.refused("POST", "subnetpools", 409, "SubnetPoolsOverlap", body)
    body = {"subnetpool": {"prefixes": ["fd00::/48"], "address_scope_id": scope["id"]}}
    net.refused("POST", "subnetpools", 400, "InvalidInput", body)
    path = f"address-scopes/{scope['id']}"
    net.refused("DELETE", path, 409, "AddressScopeInUse")
    net.refused("PUT", path, 400, "InvalidInput", {"address_scope": {"ip_version": 6}})
    net.refused("POST", "address-scopes", 403, "PolicyNotAuthorized", {"address_scope": {"shared": True}})
    net.refused("POST", "address-scopes", 400, "InvalidInput", {"address_scope": {"name": "x"}})
    stranger.refused("GET", path, 404, "AddressScopeNotFound")
    net.delete(f"subnetpools/{pool['id']}")
    assert net.put(path, {"address_scope": {"name": "t"}})["address_scope"]["name"] == "t"
    net.delete(path)


def test_an_address_group_grows_shrinks_and_is_held_by_rules(net):
    group = net.make("address_group", "address-groups", name="a", addresses=["10.0.0.0/24"])
    path = f"address-groups/{group['id']}"
    grown = net.put(f"{path}/add_addresses", {"addresses": ["fd00::1", "10.1.0.0/16"]})["address_group"]
    assert grown["addresses"] == ["10.0.0.0/24", "10.1.0.0/16", "fd00::1/128"]
    net.refused("PUT", f"{path}/add_addresses", 400, "AddressesAlreadyExist", {"addresses": ["10.0.0.0/24"]})
    net.refused("PUT", f"{path}/remove_addresses", 404, "AddressesNotFound", {"addresses": ["10.9.0.0/24"]})
    net.refused("PUT", f"{path}/add_addresses", 400, "InvalidInput", {"addresses": ["ten"]})
    security_group = net.make("security_group", "security-groups", name="g")
    rule = {"security_group_id": security_group["id"], "direction": "ingress"}
    made = net.make(
        "security_group_rule", "security-group-rules", remote_address_group_id=group["id"], **rule
    )
    assert made["remote_address_group_id"] == group["id"]
    net.refused("DELETE", path, 409, "AddressGroupInUse")
    net.delete(f"security-group-rules/{made['id']}")
    net.delete(path)


def test_new_groups_get_the_operators_rules(net, admin):
    path = "default-security-group-rules"
    assert len(net.show(path)) == 4
    body = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    made = admin.make("default_security_group_rule", path, **body)
    group = net.make("security_group", "security-groups", name="g")
    ports = {rule["port_range_min"] for rule in group["security_group_rules"]}
    assert ports == {None, 22} and len(group["security_group_rules"]) == 3
    refused = {"default_security_group_rule": body}
    net.refused("POST", path, 403, "PolicyNotAuthorized", refused)
    admin.delete(f"{path}/{made['id']}")
    assert len(net.make("security_group", "security-groups", name="h")["security_group_rules"]) == 2


def test_flavors_have_profiles(admin, net):
    flavor = admin.make("flavor", name="f", service_type="L3_ROUTER_NAT")
    profile = admin.make("service_profile", metainfo="{}", description="d")
    path = f"flavors/{flavor['id']}"
    admin.make("service_profile", f"{path}/service_profiles", id=profile["id"])
    assert net.show(path)["service_profiles"] == [profile["id"]]
    admin.refused("DELETE", f"service_profiles/{profile['id']}", 409, "ServiceProfileInUse")
    assert admin.put(path, {"flavor": {"enabled": False}})["flavor"]["enabled"] is False
    admin.delete(f"{path}/service_profiles/{profile['id']}")
    admin.delete(f"service_profiles/{profile['id']}")
    admin.delete(path)


def test_a_project_gets_a_network_for_the_asking(net, admin, public):
    path = "auto-allocated-topology/None"
    net.refused("GET", path, 409, "AutoAllocationFailure")
    admin.put(f"networks/{public['id']}", {"network": {"is_default": True}})
    pool = {"prefixes": ["10.70.0.0/16"], "default_prefixlen": 26, "shared": True, "is_default": True}
    admin.make("subnetpool", **pool)
    assert net.show(f"{path}?fields=dry-run")["id"] == "dry-run=pass"
    made = net.show(path)
    assert net.show(path) == made
    (subnet,) = net.show(f"subnets?network_id={made['id']}")
    (router,) = net.show("routers")
    assert subnet["cidr"].endswith("/26") and router["external_gateway_info"]["network_id"] == public["id"]
    net.delete(path)
    assert net.show("routers") == [] and net.api.get(f"{V2}/networks/{made['id']}").status_code == 404
