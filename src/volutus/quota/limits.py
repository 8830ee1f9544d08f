"""Limits: the cloud's defaults, what an operator made of those, and what he set for one project.

`volumes`, `gigabytes` and `snapshots` also exist by volume type, as `volumes_TYPE` with the type's id: these
are unlimited unless set.
"""

import re
from collections.abc import Mapping

from sqlalchemy import text

from volutus.db import Tx
from volutus.errors import Invalid

UNLIMITED = -1

# The names are those that OpenStack's quota sets use; the numbers are its defaults where it has one.
# `mhz` is ours: 20 cores of 2.5 GHz.
DEFAULTS: Mapping[str, int] = {
    "instances": 10,
    "cores": 20,
    "ram": 51200,
    "mhz": 50_000,
    "key_pairs": 100,
    "metadata_items": 128,
    "injected_files": 5,
    "injected_file_content_bytes": 10240,
    "injected_file_path_bytes": 255,
    # Nobody counts them since networks have ports; old clients set the number and read it back.
    "fixed_ips": UNLIMITED,
    "server_groups": 10,
    "server_group_members": 10,
    "volumes": 10,
    "gigabytes": 1000,
    "snapshots": 10,
    "backups": 10,
    "backup_gigabytes": 1000,
    "per_volume_gigabytes": UNLIMITED,
    "groups": 10,
    "network": 100,
    "subnet": 100,
    "subnetpool": UNLIMITED,
    "port": 500,
    "router": 10,
    "floatingip": 50,
    "security_group": 10,
    "security_group_rule": 100,
    "rbac_policy": 10,
    "load_balancer": 10,
    "listener": 50,
    "pool": 50,
    "member": 500,
    "health_monitor": 50,
    "images": 1000,
    "image_bytes": UNLIMITED,
}

# Limits of the operator's own for projects that have none of theirs are kept under this name.
DEFAULT_CLASS = "class:default"
_BY_TYPE = re.compile(r"(volumes|gigabytes|snapshots)_[0-9a-f-]{36}")
_PROJECTS = text(
    "SELECT DISTINCT project_id FROM quota_limits WHERE resource = ANY(CAST(:resources AS text[])) "
    "AND project_id <> 'class:default' ORDER BY project_id LIMIT :limit"
)
# More than any real limit, and still far from the column's end.
_MAXIMUM = 2**53

# What was set for the project itself comes first, then its unified limit, then what was set for the class of
# projects, then what is registered for all.
_SELECT = text(
    """
    SELECT DISTINCT ON (resource) resource, maximum FROM (
        SELECT resource, maximum, CASE WHEN project_id = :project_id THEN 0 ELSE 3 END AS rank
        FROM quota_limits WHERE project_id IN (:project_id, 'class:default')
        UNION ALL
        SELECT r.resource, u.maximum, 1 + (r.region_id IS NULL)::integer FROM quota_unified_limits u
        JOIN quota_registered_limits r ON r.id = u.registered_limit_id
        WHERE u.project_id = :project_id AND r.resource IS NOT NULL
        UNION ALL
        SELECT resource, default_limit, 4 + (region_id IS NULL)::integer
        FROM quota_registered_limits WHERE resource IS NOT NULL
    ) found ORDER BY resource, rank, maximum LIMIT 2000
    """
)
_UPSERT = text(
    """
    INSERT INTO quota_limits (project_id, resource, maximum) VALUES (:project_id, :resource, :maximum)
    ON CONFLICT (project_id, resource) DO UPDATE SET maximum = excluded.maximum
    """
)
_DELETE = text(
    """
    DELETE FROM quota_limits WHERE project_id = :project_id
    AND (CAST(:resources AS text[]) IS NULL OR resource = ANY(CAST(:resources AS text[])))
    """
)


def defaults(tx: Tx) -> dict[str, int]:
    """Resource to limit of a project for which none was set; -1 is unlimited."""
    return limits(tx, DEFAULT_CLASS)


def limits(tx: Tx, project_id: str) -> dict[str, int]:
    """Resource to limit of a project; -1 is unlimited."""
    said = {row.resource: row.maximum for row in tx.rows(_SELECT, {"project_id": project_id})}
    return {**DEFAULTS, **said}


def set_defaults(tx: Tx, changes: Mapping[str, int]) -> None:
    """Set what holds for projects for which nothing was set."""
    set_limits(tx, DEFAULT_CLASS, changes)


def set_limits(tx: Tx, project_id: str, changes: Mapping[str, int]) -> None:
    """Set some limits of a project. A limit below what is used is allowed: it only stops growth."""
    for resource, maximum in changes.items():
        if resource not in DEFAULTS and not _BY_TYPE.fullmatch(resource):
            raise Invalid(f"There is no quota for {resource!r}.", field=resource)
        if not UNLIMITED <= maximum <= _MAXIMUM:
            raise Invalid(f"A limit is -1 or a number from 0 to {_MAXIMUM}.", field=resource)
    if changes:
        tx.execute(
            _UPSERT, [{"project_id": project_id, "resource": r, "maximum": m} for r, m in changes.items()]
        )


def projects_with_limits(tx: Tx, resources: list[str], limit: int) -> list[str]:
    """The projects for which an operator set a limit of any of these resources."""
    rows = tx.rows(_PROJECTS, {"resources": resources, "limit": limit})
    return [row.project_id for row in rows]


def reset_limits(tx: Tx, project_id: str, resources: list[str] | None = None) -> None:
    """Go back to the defaults, for the resources named or for all."""
    tx.execute(_DELETE, {"project_id": project_id, "resources": resources})
