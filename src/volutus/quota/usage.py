"""What is used: counters raised and lowered in the transactions that make and remove things."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text

from volutus.db import Tx
from volutus.errors import Conflict, QuotaExceeded
from volutus.quota.limits import DEFAULT_CLASS, DEFAULTS, UNLIMITED


class OverLimit(QuotaExceeded):
    """`resources` names what is over."""

    code = "quota.over_limit"

    def __init__(self, message: str, resources: list[str]) -> None:
        super().__init__(message, field=resources[0])
        self.resources = resources


# One statement takes the row locks in the order of the names, so that two charges never deadlock; the guard
# in DO UPDATE is evaluated on the locked row, so that two racing charges never both pass.
_CHARGE = text(
    """
    WITH wanted AS (
        SELECT w.resource, w.amount, coalesce(l.maximum, (
            SELECT x.maximum FROM quota_registered_limits r
            JOIN quota_unified_limits x ON x.registered_limit_id = r.id AND x.project_id = :project_id
            WHERE r.resource = w.resource ORDER BY r.region_id IS NULL, x.maximum LIMIT 1
        ), c.maximum, (
            SELECT r.default_limit FROM quota_registered_limits r
            WHERE r.resource = w.resource ORDER BY r.region_id IS NULL, r.default_limit LIMIT 1
        ), w.standard) AS maximum
        FROM unnest(CAST(:resources AS text[]), CAST(:amounts AS bigint[]), CAST(:standards AS bigint[]))
             AS w(resource, amount, standard)
        LEFT JOIN quota_limits l ON l.project_id = :project_id AND l.resource = w.resource
        LEFT JOIN quota_limits c ON c.project_id = :default_class AND c.resource = w.resource
    ), charged AS (
        INSERT INTO quota_usage AS u (project_id, resource, used)
        SELECT :project_id, resource, amount FROM wanted
        WHERE maximum = -1 OR amount <= maximum ORDER BY resource
        ON CONFLICT (project_id, resource) DO UPDATE SET used = u.used + excluded.used
            WHERE (SELECT maximum = -1 OR u.used + excluded.used <= maximum
                   FROM wanted WHERE wanted.resource = excluded.resource)
        RETURNING resource
    )
    SELECT wanted.resource, wanted.amount, wanted.maximum,
           coalesce((SELECT used FROM quota_usage u
                     WHERE u.project_id = :project_id AND u.resource = wanted.resource), 0) AS used
    FROM wanted WHERE resource NOT IN (SELECT resource FROM charged) ORDER BY resource
    """
)
_RELEASE = text(
    """
    UPDATE quota_usage u SET used = u.used - w.amount
    FROM (SELECT * FROM unnest(CAST(:resources AS text[]), CAST(:amounts AS bigint[])) AS w(resource, amount)
          ORDER BY 1) w
    WHERE u.project_id = :project_id AND u.resource = w.resource
    """
)
_USAGE = text("SELECT resource, used FROM quota_usage WHERE project_id = :project_id LIMIT 1000")


# How many of them a project has without having asked for any: a default security group with its four rules.
_GIVEN = {"security_group": 1, "security_group_rule": 4}
_HELD = text("""
SELECT resource, sum(used) AS used FROM quota_usage
WHERE project_id = ANY (CAST(:project_ids AS text[])) AND used > 0 AND resource <> 'key_pairs'
GROUP BY project_id, resource ORDER BY resource LIMIT 1000
""")


class InUse(Conflict):
    """The project owns resources."""

    code = "quota.in_use"


def charge(tx: Tx, project_id: str, amounts: Mapping[str, int]) -> None:
    """Count these as used. Raises OverLimit (a QuotaExceeded) when any is over; the caller's transaction is
    then to be rolled back, for what was within its limit has been counted."""
    resources = sorted(amounts)
    over = tx.rows(
        _CHARGE,
        {
            "project_id": project_id,
            "default_class": DEFAULT_CLASS,
            "resources": resources,
            "amounts": [amounts[resource] for resource in resources],
            "standards": [DEFAULTS.get(resource, UNLIMITED) for resource in resources],
        },
    )
    if over:
        message = "Quota exceeded: " + "; ".join(_told(row) for row in over)
        raise OverLimit(message, [row.resource for row in over])


def release(tx: Tx, project_id: str, amounts: Mapping[str, int]) -> None:
    """Give back what was charged. Giving back more than was charged breaks a constraint: it is a bug."""
    resources = sorted(amounts)
    if resources:
        values = [amounts[resource] for resource in resources]
        tx.execute(_RELEASE, {"project_id": project_id, "resources": resources, "amounts": values})


def take_back(tx: Tx, project_id: str, amounts: Mapping[str, int]) -> None:
    """Count these again, which were given back for what did not come about: they are there, whatever the
    limits are by now."""
    release(tx, project_id, {resource: -amount for resource, amount in amounts.items()})


def usage(tx: Tx, project_id: str) -> dict[str, int]:
    """Resource to what the project uses; every resource is there."""
    used = {row.resource: row.used for row in tx.rows(_USAGE, {"project_id": project_id})}
    return {**dict.fromkeys(DEFAULTS, 0), **used}


def _told(row: Row[Any]) -> str:
    return f"{row.resource}: requested {row.amount}, but already used {row.used} of {row.maximum}"


def require_unused(tx: Tx, project_ids: Sequence[str]) -> None:
    """Raise InUse where any of these projects has something. What each is given (its default security
    group) and what belongs to users (key pairs) does not count."""
    rows = tx.rows(_HELD, {"project_ids": list(project_ids)})
    held = [f"{row.used} {row.resource}" for row in rows if row.used > _GIVEN.get(row.resource, 0)]
    if held:
        raise InUse(
            f"The project still has {', '.join(held)}. Remove them first, or all at once with "
            "`volutus project purge`."
        )
