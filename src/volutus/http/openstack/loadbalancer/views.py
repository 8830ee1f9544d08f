"""Load balancers and what is below them as Octavia shows them."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from volutus.http.openstack.loadbalancer.schemas import PROVIDER
from volutus.network.loadbalancer.trees import Operating, Tree

UNLIMITED = -1


def balancer(row: Row[Any], tree: Tree) -> dict[str, Any]:
    return _common(row, tree, tree.state()) | {
        "provider": PROVIDER,
        "vip_address": tree.balancer.vip_address,
        "vip_port_id": row.vip_port_id,
        "vip_subnet_id": row.vip_subnet_id,
        "vip_network_id": row.vip_network_id,
        "vip_qos_policy_id": None,
        "vip_vnic_type": "normal",
        "additional_vips": [],
        "flavor_id": None,
        "availability_zone": None,
        "listeners": _ids(tree.listeners),
        "pools": _ids(tree.pools),
    }


def listener(row: Row[Any], tree: Tree) -> dict[str, Any]:
    return _common(row, tree, tree.listener_state(row)) | {
        "protocol": row.protocol,
        "protocol_port": row.port,
        "connection_limit": UNLIMITED,
        "default_pool_id": row.pool_id,
        "loadbalancers": [{"id": row.load_balancer_id}],
        "l7policies": [],
        "insert_headers": {},
        "allowed_cidrs": None,
        "default_tls_container_ref": None,
        "sni_container_refs": [],
        "timeout_client_data": None,
        "timeout_member_connect": None,
        "timeout_member_data": None,
        "timeout_tcp_inspect": None,
    }


def pool(row: Row[Any], tree: Tree) -> dict[str, Any]:
    monitor_of = tree.monitor_of(row.id)
    persistence = None
    if row.persistence_timeout_s is not None:
        persistence = {
            "type": "SOURCE_IP",
            "persistence_timeout": row.persistence_timeout_s,
            "cookie_name": None,
        }
    return _common(row, tree, tree.pool_state(row)) | {
        "protocol": row.protocol,
        "lb_algorithm": row.algorithm,
        "session_persistence": persistence,
        "healthmonitor_id": monitor_of.id if monitor_of is not None else None,
        "loadbalancers": [{"id": row.load_balancer_id}],
        "listeners": _ids([one for one in tree.listeners if one.pool_id == row.id]),
        "members": _ids(tree.members_of(row.id)),
        "tls_enabled": False,
    }


def member(row: Row[Any], tree: Tree) -> dict[str, Any]:
    view = _common(row, tree, tree.member_state(row)) | {
        "address": row.address,
        "protocol_port": row.port,
        "subnet_id": row.subnet_id,
        "weight": row.weight,
        "backup": False,
        "monitor_address": None,
        "monitor_port": None,
    }
    view.pop("description")
    return view


def monitor(row: Row[Any], tree: Tree) -> dict[str, Any]:
    asks_http = row.type == "HTTP"
    state = Operating.ONLINE if row.enabled else Operating.OFFLINE
    view = _common(row, tree, state) | {
        "type": row.type,
        "delay": row.delay_s,
        "timeout": row.timeout_s,
        "max_retries": row.max_retries,
        "max_retries_down": row.max_retries_down,
        "http_method": row.http_method if asks_http else None,
        "url_path": row.url_path if asks_http else None,
        "expected_codes": row.expected_codes if asks_http else None,
        "pools": [{"id": row.pool_id}],
    }
    view.pop("description")
    return view


def statuses(tree: Tree) -> dict[str, Any]:
    """The whole tree with nothing but names and states."""
    return {
        "loadbalancer": _brief(tree, tree.balancer, tree.state())
        | {
            "listeners": [
                _brief(tree, one, tree.listener_state(one))
                | {"pools": [_pool_status(tree, pool) for pool in tree.pools if pool.id == one.pool_id]}
                for one in tree.listeners
            ],
            "pools": [_pool_status(tree, pool) for pool in tree.pools],
        }
    }


def _pool_status(tree: Tree, row: Row[Any]) -> dict[str, Any]:
    found = tree.monitor_of(row.id)
    members = [
        _brief(tree, one, tree.member_state(one)) | {"address": one.address, "protocol_port": one.port}
        for one in tree.members_of(row.id)
    ]
    status = _brief(tree, row, tree.pool_state(row)) | {"members": members}
    if found is not None:
        status["health_monitor"] = _brief(tree, found, Operating.ONLINE) | {"type": found.type}
    return status


def _brief(tree: Tree, row: Row[Any], state: Operating) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "provisioning_status": tree.provisioning.value,
        "operating_status": state.value,
    }


def _common(row: Row[Any], tree: Tree, state: Operating) -> dict[str, Any]:
    return _brief(tree, row, state) | {
        "description": row.description,
        "project_id": row.project_id,
        "tenant_id": row.project_id,
        "admin_state_up": row.enabled,
        "tags": list(row.tags),
        "created_at": _time(row.created_at),
        "updated_at": _time(row.updated_at),
    }


def _ids(rows: list[Row[Any]]) -> list[dict[str, str]]:
    return [{"id": row.id} for row in rows]


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
