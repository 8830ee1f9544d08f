"""What a cycle costs, as one statement: from usage to charges. Rating books them, the audit compares them.

Usage of a cycle is cut where it, or what was bought ahead, begins or ends. Within a piece amounts are
constant: what is bound to one thing covers that thing first, then what the account has for all covers the
ranges in the order in which they began, and the rest is charged. That is exact and gives each project its own
share. Meters of an account that has nothing bought ahead need no cutting. Quantities are in a meter's own
unit times seconds, to the microsecond.
"""

from volutus.billing.price_sql import PRICES_IN_FORCE

# `:starts` and `:ends` bound the cycle, `:cycle` is its number. Two zeros more than 38 make PostgreSQL
# divide to 40 places before we round to 20.
CHARGES = (
    PRICES_IN_FORCE  # noqa: S608
    + """
, payer AS (
    SELECT DISTINCT ON (project_id) project_id, account_id FROM billing_payer
    WHERE from_at < :ends ORDER BY project_id, from_at DESC
), used AS (
    SELECT u.id, coalesce(p.account_id, u.project_id) AS account_id, u.project_id, u.resource_kind,
        u.resource_id, u.meter, u.amount, lower(u.during) AS since,
        greatest(lower(u.during), :starts) AS began, least(upper(u.during), :ends) AS ended
    FROM usage_ranges u LEFT JOIN payer p USING (project_id)
    WHERE u.during && tstzrange(:starts, :ends)
), cover AS (
    SELECT account_id, resource_kind, resource_id, meter, amount, greatest(starts_at, :starts) AS began,
        least(coalesce(ended_at, ends_at), :ends) AS ended
    FROM billing_subscription
    WHERE starts_at < :ends AND ends_at > :starts
        AND coalesce(ended_at, ends_at) > greatest(starts_at, :starts)
), covered AS (
    SELECT DISTINCT account_id, meter FROM cover
), point AS (
    SELECT account_id, meter, began AS at FROM used JOIN covered USING (account_id, meter)
    UNION SELECT account_id, meter, ended FROM used JOIN covered USING (account_id, meter)
    UNION SELECT account_id, meter, began FROM cover
    UNION SELECT account_id, meter, ended FROM cover
), segment AS (
    SELECT account_id, meter, at AS began, lead(at) OVER (PARTITION BY account_id, meter ORDER BY at) AS ended
    FROM point
), applied AS (
    SELECT g.account_id, g.meter, g.began, c.resource_kind, c.resource_id, sum(c.amount) AS amount
    FROM segment g JOIN cover c ON c.account_id = g.account_id AND c.meter = g.meter
        AND c.began <= g.began AND c.ended >= g.ended
    GROUP BY 1, 2, 3, 4, 5
), piece AS (
    SELECT g.account_id, g.meter, g.began, g.ended, u.project_id, u.since, u.id,
        greatest(u.amount - coalesce(b.amount, 0), 0) AS amount
    FROM segment g JOIN used u ON u.account_id = g.account_id AND u.meter = g.meter
        AND u.began <= g.began AND u.ended >= g.ended
    LEFT JOIN applied b ON b.account_id = g.account_id AND b.meter = g.meter AND b.began = g.began
        AND b.resource_kind = u.resource_kind AND b.resource_id = u.resource_id
), stacked AS (
    SELECT p.*, sum(p.amount) OVER (PARTITION BY p.account_id, p.meter, p.began ORDER BY p.since, p.id
                                    ROWS UNBOUNDED PRECEDING) - coalesce(s.amount, 0) AS above
    FROM piece p LEFT JOIN applied s ON s.account_id = p.account_id AND s.meter = p.meter
        AND s.began = p.began AND s.resource_id IS NULL
), carried AS (
    -- A Mbit/s carries 125,000 bytes a second.
    SELECT resource_kind, resource_id, 'traffic_out_bytes' AS meter,
        sum(amount * 125000 * extract(epoch FROM ended - began)) AS quantity
    FROM used WHERE meter = 'bandwidth_mbit' GROUP BY 1, 2
), counted AS (
    -- Bytes that a committed rate carries are paid for by the rate.
    SELECT n.project_id, n.meter, greatest(sum(n.quantity) - coalesce(max(c.quantity), 0), 0) AS quantity
    FROM usage_counts n LEFT JOIN carried c USING (resource_kind, resource_id, meter)
    WHERE n.at >= :starts AND n.at < :ends
    GROUP BY n.project_id, n.resource_kind, n.resource_id, n.meter
), quantity AS (
    SELECT account_id, project_id, meter,
        sum(greatest(least(amount, above), 0) * extract(epoch FROM ended - began)) AS quantity
    FROM stacked GROUP BY 1, 2, 3
    UNION ALL
    SELECT account_id, project_id, meter, sum(amount * extract(epoch FROM ended - began))
    FROM used WHERE NOT EXISTS (SELECT FROM covered c
                                WHERE c.account_id = used.account_id AND c.meter = used.meter)
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT coalesce(p.account_id, n.project_id), n.project_id, n.meter, sum(n.quantity)
    FROM counted n LEFT JOIN payer p USING (project_id) GROUP BY 1, 2, 3
), level AS (
    SELECT meter, level FROM billing_level
    WHERE cycle = (SELECT max(cycle) FROM billing_level WHERE cycle <= :cycle)
), wanted AS (
    -- A class without a level of its own moves with its meter.
    SELECT q.meter, q.base, coalesce(own.level, v.level, 1) AS level
    FROM (SELECT DISTINCT meter, split_part(meter, ':', 1) AS base FROM quantity) q
    LEFT JOIN level own USING (meter) LEFT JOIN level v ON v.meter = q.base
), picked AS (
    -- A class that nobody priced costs what its meter costs.
    SELECT DISTINCT ON (p.list_id, p.currency, w.meter)
        p.list_id, p.currency, w.meter, p.price, p.per, p.price_id
    FROM wanted w JOIN priced p ON p.meter IN (w.meter, w.base) AND p.level BETWEEN 1 AND w.level
    ORDER BY p.list_id, p.currency, w.meter, p.meter <> w.meter, p.level DESC
), charge AS MATERIALIZED (
    SELECT *, round(quantity * price * CAST('1.' || repeat('0', 40) AS numeric) / per, 20) AS amount FROM (
        SELECT q.account_id, q.project_id, q.meter, q.quantity, l.currency, k.price, k.per, k.price_id
        FROM quantity q LEFT JOIN account_list l USING (account_id)
        LEFT JOIN picked k ON k.list_id = l.list_id AND k.currency = l.currency AND k.meter = q.meter
        WHERE q.quantity > 0) found
)
"""
)
