"""All routes of the identity API."""

from volutus.http.kernel import Route
from volutus.http.openstack.identity import (
    application_credentials,
    assignments,
    auth,
    catalog,
    credentials,
    discovery,
    domains,
    groups,
    policies,
    projects,
    roles,
    trusts,
    users,
)
from volutus.http.openstack.identity.extension_routes import EXTENSIONS

_DISCOVERY = (
    Route("GET", "", discovery.versions, open=True),
    Route("GET", "/v3", discovery.version, open=True),
)
# A sign-in runs outside a transaction: no connection waits in one while a password is hashed, and counts of
# failures stay although the request fails. The same goes for changing one's password, which is proved by the
# one before, not by a token, so that an expired one can be changed.
_AUTH = (
    Route("POST", "/v3/auth/tokens", auth.issue, open=True, writes=False),
    Route("GET", "/v3/auth/tokens", auth.show, "identity:tokens:show"),
    Route("HEAD", "/v3/auth/tokens", auth.check, "identity:tokens:show"),
    Route("DELETE", "/v3/auth/tokens", auth.revoke, "identity:tokens:revoke"),
    Route("GET", "/v3/auth/catalog", auth.show_catalog, "identity:own:show"),
    Route("GET", "/v3/auth/projects", users.list_own_projects, "identity:own:show"),
    Route("GET", "/v3/auth/domains", users.list_own_domains, "identity:own:show"),
    Route("GET", "/v3/auth/system", users.show_own_system, "identity:own:show"),
    Route("POST", "/v3/users/{user_id}/password", users.change_password, open=True, writes=False),
)
_DOMAINS = (
    Route("GET", "/v3/domains", domains.index, "identity:domains:list"),
    Route("POST", "/v3/domains", domains.create, "identity:domains:change"),
    Route("GET", "/v3/domains/{domain_id}", domains.show, "identity:domains:show"),
    Route("PATCH", "/v3/domains/{domain_id}", domains.update, "identity:domains:change"),
    Route("DELETE", "/v3/domains/{domain_id}", domains.delete, "identity:domains:change"),
)
_PROJECTS = (
    Route("GET", "/v3/projects", projects.index, "identity:projects:list"),
    Route("POST", "/v3/projects", projects.create, "identity:projects:change"),
    Route("GET", "/v3/projects/{project_id}", projects.show, "identity:projects:show"),
    Route("PATCH", "/v3/projects/{project_id}", projects.update, "identity:projects:change"),
    Route("DELETE", "/v3/projects/{project_id}", projects.delete, "identity:projects:change"),
    Route("GET", "/v3/projects/{project_id}/tags", projects.list_tags, "identity:projects:show"),
    Route("PUT", "/v3/projects/{project_id}/tags", projects.replace_tags, "identity:projects:change"),
    Route("DELETE", "/v3/projects/{project_id}/tags", projects.delete_tags, "identity:projects:change"),
    Route("GET", "/v3/projects/{project_id}/tags/{tag}", projects.check_tag, "identity:projects:show"),
    Route("PUT", "/v3/projects/{project_id}/tags/{tag}", projects.add_tag, "identity:projects:change"),
    Route("DELETE", "/v3/projects/{project_id}/tags/{tag}", projects.delete_tag, "identity:projects:change"),
)
_USERS = (
    Route("GET", "/v3/users", users.index, "identity:users:list"),
    Route("POST", "/v3/users", users.create, "identity:users:change"),
    Route("GET", "/v3/users/{user_id}", users.show, "identity:users:show"),
    Route("PATCH", "/v3/users/{user_id}", users.update, "identity:users:change"),
    Route("DELETE", "/v3/users/{user_id}", users.delete, "identity:users:change"),
    Route("GET", "/v3/users/{user_id}/groups", users.list_groups, "identity:users:show"),
    Route("GET", "/v3/users/{user_id}/projects", users.list_projects, "identity:users:show"),
)
_GROUPS = (
    Route("GET", "/v3/groups", groups.index, "identity:groups:list"),
    Route("POST", "/v3/groups", groups.create, "identity:groups:change"),
    Route("GET", "/v3/groups/{group_id}", groups.show, "identity:groups:show"),
    Route("PATCH", "/v3/groups/{group_id}", groups.update, "identity:groups:change"),
    Route("DELETE", "/v3/groups/{group_id}", groups.delete, "identity:groups:change"),
    Route("GET", "/v3/groups/{group_id}/users", groups.list_users, "identity:groups:show"),
    Route("GET", "/v3/groups/{group_id}/users/{user_id}", groups.check_user, "identity:groups:show"),
    Route("PUT", "/v3/groups/{group_id}/users/{user_id}", groups.add_user, "identity:groups:change"),
    Route("DELETE", "/v3/groups/{group_id}/users/{user_id}", groups.remove_user, "identity:groups:change"),
)
_IMPLIED = "/v3/roles/{prior_role_id}/implies/{implied_role_id}"
_ROLES = (
    Route("GET", "/v3/roles", roles.index, "identity:roles:show"),
    Route("POST", "/v3/roles", roles.create, "identity:roles:change"),
    Route("GET", "/v3/roles/{role_id}", roles.show, "identity:roles:show"),
    Route("PATCH", "/v3/roles/{role_id}", roles.update, "identity:roles:change"),
    Route("DELETE", "/v3/roles/{role_id}", roles.delete, "identity:roles:change"),
    Route("GET", "/v3/role_inferences", roles.list_inferences, "identity:roles:show"),
    Route("GET", "/v3/roles/{prior_role_id}/implies", roles.list_implied, "identity:roles:show"),
    Route("GET", _IMPLIED, roles.show_implication, "identity:roles:show"),
    Route("HEAD", _IMPLIED, roles.check_implication, "identity:roles:show"),
    Route("PUT", _IMPLIED, roles.imply, "identity:roles:change"),
    Route("DELETE", _IMPLIED, roles.unimply, "identity:roles:change"),
)


def _grants() -> tuple[Route, ...]:
    """Roles of users and groups on projects, domains and the system, direct and inherited."""
    routes: list[Route] = []
    for who in ("users/{user_id}", "groups/{group_id}"):
        places = ("projects/{project_id}", "domains/{domain_id}", "system")
        paths = [f"/v3/{place}/{who}/roles" for place in places]
        inherited = [f"/v3/OS-INHERIT/{place}/{who}/roles" for place in places[:2]]
        for listed, one in (
            *((path, f"{path}/{{role_id}}") for path in paths),
            *(
                (f"{path}/inherited_to_projects", f"{path}/{{role_id}}/inherited_to_projects")
                for path in inherited
            ),
        ):
            routes += (
                Route("GET", listed, assignments.list_given, "identity:assignments:show"),
                Route("GET", one, assignments.check, "identity:assignments:show"),
                Route("PUT", one, assignments.give, "identity:assignments:change"),
                Route("DELETE", one, assignments.take, "identity:assignments:change"),
            )
    return (*routes, Route("GET", "/v3/role_assignments", assignments.index, "identity:assignments:list"))


_CATALOG = (
    Route("GET", "/v3/regions", catalog.list_regions, "identity:regions:show"),
    Route("POST", "/v3/regions", catalog.create_region, "identity:catalog:change"),
    Route("GET", "/v3/regions/{region_id}", catalog.show_region, "identity:regions:show"),
    Route("PUT", "/v3/regions/{region_id}", catalog.create_region, "identity:catalog:change"),
    Route("PATCH", "/v3/regions/{region_id}", catalog.update_region, "identity:catalog:change"),
    Route("DELETE", "/v3/regions/{region_id}", catalog.delete_region, "identity:catalog:change"),
    Route("GET", "/v3/services", catalog.list_services, "identity:catalog:show"),
    Route("POST", "/v3/services", catalog.create_service, "identity:catalog:change"),
    Route("GET", "/v3/services/{service_id}", catalog.show_service, "identity:catalog:show"),
    Route("PATCH", "/v3/services/{service_id}", catalog.update_service, "identity:catalog:change"),
    Route("DELETE", "/v3/services/{service_id}", catalog.delete_service, "identity:catalog:change"),
    Route("GET", "/v3/endpoints", catalog.list_endpoints, "identity:catalog:show"),
    Route("POST", "/v3/endpoints", catalog.create_endpoint, "identity:catalog:change"),
    Route("GET", "/v3/endpoints/{endpoint_id}", catalog.show_endpoint, "identity:catalog:show"),
    Route("PATCH", "/v3/endpoints/{endpoint_id}", catalog.update_endpoint, "identity:catalog:change"),
    Route("DELETE", "/v3/endpoints/{endpoint_id}", catalog.delete_endpoint, "identity:catalog:change"),
)
_EC2 = "/v3/users/{user_id}/credentials/OS-EC2"
_CREDENTIALS = (
    Route("GET", "/v3/credentials", credentials.index, "identity:credentials:own"),
    Route("POST", "/v3/credentials", credentials.create, "identity:credentials:own"),
    Route("GET", "/v3/credentials/{credential_id}", credentials.show, "identity:credentials:own"),
    Route("PATCH", "/v3/credentials/{credential_id}", credentials.update, "identity:credentials:own"),
    Route("DELETE", "/v3/credentials/{credential_id}", credentials.delete, "identity:credentials:own"),
    Route("GET", _EC2, credentials.list_ec2, "identity:credentials:own"),
    Route("POST", _EC2, credentials.create_ec2, "identity:credentials:own"),
    Route("GET", f"{_EC2}/{{access_key}}", credentials.show_ec2, "identity:credentials:own"),
    Route("DELETE", f"{_EC2}/{{access_key}}", credentials.delete_ec2, "identity:credentials:own"),
)
_POLICIES = (
    Route("GET", "/v3/policies", policies.index, "identity:policies:show"),
    Route("POST", "/v3/policies", policies.create, "identity:policies:change"),
    Route("GET", "/v3/policies/{policy_id}", policies.show, "identity:policies:show"),
    Route("PATCH", "/v3/policies/{policy_id}", policies.update, "identity:policies:change"),
    Route("DELETE", "/v3/policies/{policy_id}", policies.delete, "identity:policies:change"),
)
_OWN = "/v3/users/{user_id}/application_credentials"
_RULES = "/v3/users/{user_id}/access_rules"
_APPLICATION_CREDENTIALS = (
    Route("GET", _OWN, application_credentials.index, "identity:application_credentials:own"),
    Route("POST", _OWN, application_credentials.create, "identity:application_credentials:own"),
    Route(
        "GET",
        f"{_OWN}/{{credential_id}}",
        application_credentials.show,
        "identity:application_credentials:own",
    ),
    Route(
        "DELETE",
        f"{_OWN}/{{credential_id}}",
        application_credentials.delete,
        "identity:application_credentials:own",
    ),
    Route("GET", _RULES, application_credentials.list_rules, "identity:application_credentials:own"),
    Route(
        "GET",
        f"{_RULES}/{{rule_id}}",
        application_credentials.show_rule,
        "identity:application_credentials:own",
    ),
    Route(
        "DELETE",
        f"{_RULES}/{{rule_id}}",
        application_credentials.delete_rule,
        "identity:application_credentials:own",
    ),
)
_TRUST = "/v3/OS-TRUST/trusts/{trust_id}"
_TRUSTS = (
    Route("GET", "/v3/OS-TRUST/trusts", trusts.index, "identity:trusts:own"),
    Route("POST", "/v3/OS-TRUST/trusts", trusts.create, "identity:trusts:own"),
    Route("GET", _TRUST, trusts.show, "identity:trusts:own"),
    Route("DELETE", _TRUST, trusts.delete, "identity:trusts:own"),
    Route("GET", f"{_TRUST}/roles", trusts.list_roles, "identity:trusts:own"),
    Route("GET", f"{_TRUST}/roles/{{role_id}}", trusts.show_role, "identity:trusts:own"),
    Route("HEAD", f"{_TRUST}/roles/{{role_id}}", trusts.check_role, "identity:trusts:own"),
)

ROUTES = (
    *_DISCOVERY,
    *_AUTH,
    *_DOMAINS,
    *_PROJECTS,
    *_USERS,
    *_GROUPS,
    *_ROLES,
    *_grants(),
    *_CATALOG,
    *_CREDENTIALS,
    *_POLICIES,
    *_APPLICATION_CREDENTIALS,
    *_TRUSTS,
    *EXTENSIONS,
)
