"""Routes of Keystone's extensions: those with `OS-` in the path, and those that few clouds use."""

from volutus.http.kernel import Route
from volutus.http.openstack.identity import consumers, domain_configs, ec2, endpoint_filters

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

EXTENSIONS = (*_ENDPOINT_FILTERS, *_DOMAIN_CONFIGS, *_OAUTH1, *_EC2)
