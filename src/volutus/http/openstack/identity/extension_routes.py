"""Routes of Keystone's extensions: those with `OS-` in the path, and those that few clouds use."""

from volutus.http.kernel import Route
from volutus.http.kernel.routes import Handler
from volutus.http.openstack.identity import (
    consumers,
    domain_configs,
    ec2,
    endpoint_filters,
    federation,
    limits,
    users,
    websso,
)

_GROUPS = "/v3/OS-EP-FILTER/endpoint_groups"
_GROUP = f"{_GROUPS}/{{endpoint_group_id}}"
_GROUP_PROJECT = f"{_GROUP}/projects/{{project_id}}"
_PROJECT = "/v3/OS-EP-FILTER/projects/{project_id}"
_PROJECT_ENDPOINT = f"{_PROJECT}/endpoints/{{endpoint_id}}"
_OF_ENDPOINT = "/v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects"
_ENDPOINT_FILTERS = (
    Route("GET", _GROUPS, endpoint_filters.index, "identity:catalog:show"),
    Route("POST", _GROUPS, endpoint_filters.create, "identity:catalog:change"),
    Route("GET", _GROUP, endpoint_filters.show, "identity:catalog:show"),
    Route("PATCH", _GROUP, endpoint_filters.update, "identity:catalog:change"),
    Route("DELETE", _GROUP, endpoint_filters.delete, "identity:catalog:change"),
    Route("GET", f"{_GROUP}/endpoints", endpoint_filters.endpoints_of_group, "identity:catalog:show"),
    Route("GET", f"{_GROUP}/projects", endpoint_filters.projects_of_group, "identity:catalog:show"),
    Route("GET", _GROUP_PROJECT, endpoint_filters.check, "identity:catalog:show"),
    Route("PUT", _GROUP_PROJECT, endpoint_filters.choose, "identity:catalog:change"),
    Route("DELETE", _GROUP_PROJECT, endpoint_filters.give_up, "identity:catalog:change"),
    Route("GET", f"{_PROJECT}/endpoint_groups", endpoint_filters.groups_of_project, "identity:catalog:show"),
    Route("GET", f"{_PROJECT}/endpoints", endpoint_filters.endpoints_of_project, "identity:catalog:show"),
    Route("GET", _PROJECT_ENDPOINT, endpoint_filters.check, "identity:catalog:show"),
    Route("PUT", _PROJECT_ENDPOINT, endpoint_filters.choose, "identity:catalog:change"),
    Route("DELETE", _PROJECT_ENDPOINT, endpoint_filters.give_up, "identity:catalog:change"),
    Route("GET", _OF_ENDPOINT, endpoint_filters.projects_of_endpoint, "identity:catalog:show"),
)
_CONFIG = "/v3/domains/{domain_id}/config"
_DEFAULT = "/v3/domains/config"
_PARTS = ("", "/{group}", "/{group}/{option}")
_DOMAIN_CONFIGS = (
    Route("PUT", _CONFIG, domain_configs.replace, "identity:domain_configs:change"),
    *(
        route
        for part in _PARTS
        for route in (
            Route("GET", f"{_CONFIG}{part}", domain_configs.show, "identity:domain_configs:show"),
            Route("PATCH", f"{_CONFIG}{part}", domain_configs.update, "identity:domain_configs:change"),
            Route("DELETE", f"{_CONFIG}{part}", domain_configs.delete, "identity:domain_configs:change"),
            Route(
                "GET",
                f"{_DEFAULT}{part}/default",
                domain_configs.show_default,
                "identity:domain_configs:show",
            ),
        )
    ),
)
_CONSUMERS = "/v3/OS-OAUTH1/consumers"
_CONSUMER = f"{_CONSUMERS}/{{consumer_id}}"
_TOKENS = "/v3/users/{user_id}/OS-OAUTH1/access_tokens"
_TOKEN = f"{_TOKENS}/{{access_token_id}}"
# A consumer proves itself by its signature, without a token.
_OAUTH1 = (
    Route("GET", _CONSUMERS, consumers.index, "identity:consumers:show"),
    Route("POST", _CONSUMERS, consumers.create, "identity:consumers:change"),
    Route("GET", _CONSUMER, consumers.show, "identity:consumers:show"),
    Route("PATCH", _CONSUMER, consumers.update, "identity:consumers:change"),
    Route("DELETE", _CONSUMER, consumers.delete, "identity:consumers:change"),
    Route("POST", "/v3/OS-OAUTH1/request_token", consumers.ask, open=True),
    Route("POST", "/v3/OS-OAUTH1/access_token", consumers.redeem, open=True),
    Route(
        "PUT",
        "/v3/OS-OAUTH1/authorize/{request_token_id}",
        consumers.authorize,
        "identity:access_tokens:own",
    ),
    Route("GET", _TOKENS, consumers.list_tokens, "identity:access_tokens:own"),
    Route("GET", _TOKEN, consumers.show_token, "identity:access_tokens:own"),
    Route("DELETE", _TOKEN, consumers.delete_token, "identity:access_tokens:own"),
    Route("GET", f"{_TOKEN}/roles", consumers.list_token_roles, "identity:access_tokens:own"),
    Route("GET", f"{_TOKEN}/roles/{{role_id}}", consumers.show_token_role, "identity:access_tokens:own"),
)
# Outside a transaction, as all signing in is.
_EC2 = (
    Route("POST", "/v3/ec2tokens", ec2.issue_ec2, "identity:ec2_tokens:issue", writes=False),
    Route("POST", "/v3/s3tokens", ec2.issue_s3, "identity:ec2_tokens:issue", writes=False),
)
_REGISTERED = "/v3/registered_limits/{registered_limit_id}"
_LIMIT = "/v3/limits/{limit_id}"
_LIMITS = (
    Route("GET", "/v3/registered_limits", limits.list_registered, "identity:registered_limits:show"),
    Route("POST", "/v3/registered_limits", limits.register, "identity:limits:change"),
    Route("GET", _REGISTERED, limits.show_registered, "identity:registered_limits:show"),
    Route("PATCH", _REGISTERED, limits.update_registered, "identity:limits:change"),
    Route("DELETE", _REGISTERED, limits.unregister, "identity:limits:change"),
    Route("GET", "/v3/limits", limits.index, "identity:limits:show"),
    Route("POST", "/v3/limits", limits.create, "identity:limits:change"),
    Route("GET", "/v3/limits/model", limits.show_model, "identity:limits:show"),
    Route("GET", _LIMIT, limits.show, "identity:limits:show"),
    Route("PATCH", _LIMIT, limits.update, "identity:limits:change"),
    Route("DELETE", _LIMIT, limits.delete, "identity:limits:change"),
)
_FEDERATION = "/v3/OS-FEDERATION"
_PROVIDER = f"{_FEDERATION}/identity_providers/{{idp_id}}"
_PROTOCOL = f"{_PROVIDER}/protocols/{{protocol_id}}"


def _crud(listed: str, one: str, handlers: tuple[Handler, ...]) -> tuple[Route, ...]:
    """The routes of a noun that clients name themselves: list, create, show, update and delete."""
    methods = (("GET", listed), ("PUT", one), ("GET", one), ("PATCH", one), ("DELETE", one))
    return tuple(
        Route(method, path, handler, f"identity:federation:{'show' if method == 'GET' else 'change'}")
        for (method, path), handler in zip(methods, handlers, strict=True)
    )


_PROVIDERS = (
    *_crud(
        f"{_FEDERATION}/identity_providers",
        _PROVIDER,
        (
            federation.list_providers,
            federation.create_provider,
            federation.show_provider,
            federation.update_provider,
            federation.delete_provider,
        ),
    ),
    *_crud(
        f"{_PROVIDER}/protocols",
        _PROTOCOL,
        (
            federation.list_protocols,
            federation.create_protocol,
            federation.show_protocol,
            federation.update_protocol,
            federation.delete_protocol,
        ),
    ),
    *_crud(
        f"{_FEDERATION}/mappings",
        f"{_FEDERATION}/mappings/{{mapping_id}}",
        (
            federation.list_mappings,
            federation.create_mapping,
            federation.show_mapping,
            federation.update_mapping,
            federation.delete_mapping,
        ),
    ),
    *_crud(
        f"{_FEDERATION}/service_providers",
        f"{_FEDERATION}/service_providers/{{sp_id}}",
        (
            federation.list_service_providers,
            federation.create_service_provider,
            federation.show_service_provider,
            federation.update_service_provider,
            federation.delete_service_provider,
        ),
    ),
)
_SSO = "/v3/auth/OS-FEDERATION"
# A provider's token, or the browser's way to it and back, is what these are proved by.
_SIGN_IN = (
    Route("GET", f"{_PROTOCOL}/auth", websso.sign_in, open=True),
    Route("POST", f"{_PROTOCOL}/auth", websso.sign_in, open=True, writes=False),
    Route("GET", f"{_SSO}/websso/{{protocol_id}}", websso.websso, open=True),
    Route(
        "GET",
        f"{_SSO}/identity_providers/{{idp_id}}/protocols/{{protocol_id}}/websso",
        websso.websso,
        open=True,
    ),
    Route("GET", websso.CALLBACK, websso.callback, open=True),
    Route("GET", f"{_FEDERATION}/projects", users.list_own_projects, "identity:own:show"),
    Route("GET", f"{_FEDERATION}/domains", users.list_own_domains, "identity:own:show"),
)

EXTENSIONS = (
    *_ENDPOINT_FILTERS,
    *_DOMAIN_CONFIGS,
    *_OAUTH1,
    *_EC2,
    *_LIMITS,
    *_PROVIDERS,
    *_SIGN_IN,
)
