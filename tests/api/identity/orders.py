"""What operators and users order from identity: a valid body of each writing route, as full as it can be, for
tests that spoil one value after the other. Objects are named by makers."""

from collections.abc import Mapping
from typing import Any

from tests.api.foreign import Maker

_PASSWORD = {"user": {"name": "one", "domain": {"id": "default"}, "password": "sesame"}}
_OPTIONS = {"ignore_password_expiry": True, "multi_factor_auth_rules": [["password", "totp"]]}
_RULES = [
    {
        "local": [{"user": {"name": "{0}", "email": "{1}"}}, {"groups": "{2}", "domain": {"id": "default"}}],
        "remote": [
            {"type": "name"},
            {"type": "email"},
            {"type": "groups", "whitelist": ["a"]},
            {"type": "email", "any_one_of": ["@example"], "regex": True},
        ],
    }
]
_SIGNED = {
    "access": "a", "signature": "s", "host": "h", "verb": "GET", "path": "/", "params": {"Action": "x"},
    "headers": {"Authorization": "x"}, "body_hash": "b",
}  # fmt: skip


def _method(name: str, proof: Any, **scope: Any) -> dict[str, Any]:
    return {"auth": {"identity": {"methods": [name], name: proof}, **scope}}


def orders(made: Mapping[str, Maker]) -> dict[tuple[str, str], Any]:
    """The bodies; `made` has the makers by what they make."""
    user, project, role, service = (made[f"{noun}_id"] for noun in ("user", "project", "role", "service"))
    expires = "2099-01-01T00:00:00.000000Z"
    person = {
        "name": "one", "domain_id": "default", "default_project_id": project, "password": "sesame",
        "description": "x", "email": "x@example.org", "enabled": True, "options": _OPTIONS,
    }  # fmt: skip
    place = {
        "name": "one",
        "description": "x",
        "enabled": True,
        "tags": ["a"],
        "options": {"immutable": False},
    }
    region = {"id": "one", "description": "x", "parent_region_id": "RegionOne"}
    endpoint = {
        "service_id": service, "region_id": "RegionOne", "interface": "public", "url": "http://x",
        "enabled": True,
    }  # fmt: skip
    provider = {"enabled": True, "description": "x", "remote_ids": ["http://x"], "authorization_ttl": 5}
    sp = {"auth_url": "http://x", "sp_url": "http://y", "enabled": True, "description": "x"}
    limit = {"service_id": service, "region_id": "RegionOne", "resource_name": "x", "description": "x"}
    trust = {
        "trustor_user_id": user, "trustee_user_id": user, "project_id": project, "impersonation": True,
        "roles": [{"id": role}], "expires_at": expires, "remaining_uses": 3, "allow_redelegation": True,
        "redelegation_count": 1,
    }  # fmt: skip
    application = {
        "name": "one", "description": "x", "secret": "s", "expires_at": expires, "unrestricted": False,
        "roles": [{"id": role}], "access_rules": [{"path": "/x", "method": "GET", "service": "compute"}],
    }  # fmt: skip
    filters = {"interface": "public", "service_id": service, "region_id": "RegionOne"}
    return {
        ("POST", "/v3/auth/tokens"): (
            _method("password", _PASSWORD, scope={"project": {"name": "p", "domain": {"name": "d"}}}),
            _method("token", {"id": "x"}, scope={"system": {"all": True}}),
            _method("totp", {"user": {"id": "x", "passcode": "123456"}}, scope={"domain": {"id": "x"}}),
            _method("application_credential", {"id": "x", "secret": "s"}),
            _method("password", _PASSWORD, scope={"OS-TRUST:trust": {"id": "x"}}),
        ),
        ("POST", "/v3/users/{user_id}/password"): {"user": {"password": "a", "original_password": "b"}},
        ("POST", "/v3/domains"): {"domain": place},
        ("PATCH", "/v3/domains/{domain_id}"): {"domain": place},
        ("POST", "/v3/projects"): {
            "project": {**place, "domain_id": "default", "parent_id": "default", "is_domain": False}
        },
        ("PATCH", "/v3/projects/{project_id}"): {"project": place},
        ("POST", "/v3/users"): {"user": person},
        ("PATCH", "/v3/users/{user_id}"): {"user": {**person, "default_project_id": "x"}},
        ("POST", "/v3/groups"): {"group": {"name": "one", "domain_id": "default", "description": "x"}},
        ("PATCH", "/v3/groups/{group_id}"): {"group": {"name": "one", "description": "x"}},
        ("POST", "/v3/roles"): {
            "role": {
                "name": "one",
                "domain_id": "default",
                "description": "x",
                "options": {"immutable": True},
            }
        },
        ("PATCH", "/v3/roles/{role_id}"): {"role": {"name": "one", "options": {"immutable": True}}},
        ("POST", "/v3/regions"): {"region": region},
        ("PUT", "/v3/regions/{region_id}"): {"region": {**region, "id": "x"}},
        ("PATCH", "/v3/regions/{region_id}"): {"region": region},
        ("POST", "/v3/services"): {
            "service": {"type": "x", "name": "one", "description": "x", "enabled": True}
        },
        ("POST", "/v3/endpoints"): {"endpoint": endpoint},
        ("PATCH", "/v3/endpoints/{endpoint_id}"): {"endpoint": endpoint},
        ("POST", "/v3/credentials"): {
            "credential": {"type": "cert", "blob": "x", "project_id": project, "user_id": user}
        },
        ("PATCH", "/v3/credentials/{credential_id}"): {"credential": {"type": "x", "blob": "x"}},
        ("POST", "/v3/policies"): {"policy": {"type": "application/json", "blob": "x"}},
        ("POST", "/v3/users/{user_id}/application_credentials"): {"application_credential": application},
        ("POST", "/v3/OS-TRUST/trusts"): {"trust": trust},
        ("POST", "/v3/OS-EP-FILTER/endpoint_groups"): {
            "endpoint_group": {"name": "one", "description": "x", "filters": filters}
        },
        ("PATCH", "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}"): {
            "endpoint_group": {"name": "one", "description": "x", "filters": filters}
        },
        ("POST", "/v3/OS-OAUTH1/consumers"): {"consumer": {"description": "x"}},
        ("POST", "/v3/ec2tokens"): {"credentials": _SIGNED},
        ("POST", "/v3/s3tokens"): {"credentials": {"access": "a", "signature": "s", "token": "dG9rZW4="}},
        ("POST", "/v3/registered_limits"): {"registered_limits": [{**limit, "default_limit": 5}]},
        ("PATCH", "/v3/registered_limits/{registered_limit_id}"): {
            "registered_limit": {"default_limit": 5, "description": "x"}
        },
        ("POST", "/v3/limits"): {"limits": [{**limit, "resource_limit": 5, "project_id": project}]},
        ("PUT", "/v3/OS-FEDERATION/identity_providers/{idp_id}"): {"identity_provider": provider},
        ("PATCH", "/v3/OS-FEDERATION/identity_providers/{idp_id}"): {"identity_provider": provider},
        ("PUT", "/v3/OS-FEDERATION/mappings/{mapping_id}"): {
            "mapping": {"rules": _RULES, "schema_version": "1.0"}
        },
        ("PUT", "/v3/OS-FEDERATION/service_providers/{sp_id}"): {"service_provider": sp},
        ("PUT", "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"): {
            "protocol": {"mapping_id": "x", "remote_id_attribute": "x"}
        },
    }
