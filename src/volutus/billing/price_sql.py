"""Which price holds for whom at a moment, as the beginning of an SQL statement: rating and quotes share it.

It asks for `:starts` and `:ends`: prices and rates are those in force at the start (they were known before),
who uses which list is what was said until the end. Gives `list_price(list_id, currency, meter, level, price,
per, unit, price_id)`, `account_list(account_id, currency, list_id)` and `priced`: the list prices in the
currencies of the accounts that use them.
"""

# A list on a list on a list: more than this is an error in somebody's head.
CHAIN_MAX = 4

PRICES_IN_FORCE = f"""
WITH RECURSIVE edition AS (
    SELECT DISTINCT ON (list_id) list_id, valid_from, factor FROM billing_price_edition
    WHERE valid_from <= :starts ORDER BY list_id, valid_from DESC
), chain AS (
    SELECT l.id AS list_id, l.currency, l.id AS source_id, CAST(1 AS numeric) AS factor, 0 AS depth
    FROM billing_price_list l
    UNION ALL
    SELECT c.list_id, c.currency, l.base_id, c.factor * e.factor, c.depth + 1
    FROM chain c JOIN billing_price_list l ON l.id = c.source_id JOIN edition e ON e.list_id = l.id
    WHERE l.base_id IS NOT NULL AND c.depth < {CHAIN_MAX}
), source AS (
    -- For each meter the nearest list of the chain that prices it; all its levels come from there.
    SELECT DISTINCT ON (c.list_id, p.meter)
        c.list_id, c.currency, c.source_id, e.valid_from, c.factor, p.meter
    FROM chain c JOIN edition e ON e.list_id = c.source_id
    JOIN billing_price p ON p.list_id = e.list_id AND p.valid_from = e.valid_from
    ORDER BY c.list_id, p.meter, c.depth
), fx AS (
    SELECT DISTINCT ON (base, quote) base, quote, rate FROM billing_fx
    WHERE valid_from <= :starts ORDER BY base, quote, valid_from DESC
), list_price AS (
    SELECT s.list_id, s.currency, s.meter, p.level, p.per, p.unit, p.id AS price_id,
        CASE WHEN b.currency = s.currency THEN round(p.price * s.factor, 20)
             WHEN there.rate IS NOT NULL THEN round(p.price * s.factor * there.rate, 20)
             ELSE round(p.price * s.factor * CAST('1.' || repeat('0', 40) AS numeric) / back.rate, 20)
        END AS price
    FROM source s JOIN billing_price_list b ON b.id = s.source_id
    JOIN billing_price p ON p.list_id = s.source_id AND p.valid_from = s.valid_from AND p.meter = s.meter
    LEFT JOIN fx there ON there.base = b.currency AND there.quote = s.currency
    LEFT JOIN fx back ON back.base = s.currency AND back.quote = b.currency
    WHERE b.currency = s.currency OR there.rate IS NOT NULL OR back.rate IS NOT NULL
), account_list AS (
    SELECT a.id AS account_id, a.currency, coalesce(given.list_id, own.id, home.id) AS list_id
    FROM billing_account a CROSS JOIN billing_region r
    LEFT JOIN LATERAL (
        SELECT g.list_id FROM billing_account_list g WHERE g.account_id = a.id
            AND (g.from_at < :ends OR g.from_at = :starts)
        ORDER BY g.from_at DESC LIMIT 1) given ON true
    LEFT JOIN billing_price_list own ON own.is_default AND own.region = r.region AND own.currency = a.currency
    LEFT JOIN billing_price_list home
        ON home.is_default AND home.region = r.region AND home.currency = r.currency
), priced AS (
    -- A list in the currency of those who use it: few rows, however many accounts there are.
    SELECT u.list_id, u.currency, p.meter, p.level, p.per, p.unit, p.price_id,
        CASE WHEN p.currency = u.currency THEN p.price
             WHEN there.rate IS NOT NULL THEN round(p.price * there.rate, 20)
             ELSE round(p.price * CAST('1.' || repeat('0', 40) AS numeric) / back.rate, 20)
        END AS price
    FROM (SELECT DISTINCT list_id, currency FROM account_list) u JOIN list_price p ON p.list_id = u.list_id
    LEFT JOIN fx there ON there.base = p.currency AND there.quote = u.currency
    LEFT JOIN fx back ON back.base = u.currency AND back.quote = p.currency
    WHERE p.currency = u.currency OR there.rate IS NOT NULL OR back.rate IS NOT NULL
)
"""  # noqa: S608
