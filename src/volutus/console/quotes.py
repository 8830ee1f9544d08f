"""What an order would cost, asked of the billing API, which will charge by the same functions."""

from collections.abc import Mapping
from typing import cast

from volutus.console.api import ApiProblem, Document
from volutus.console.visits import Visit

_QUOTES = "/billing/v1/quotes"


async def quote(visit: Visit, amounts: Mapping[str, int], **order: object) -> Document | None:
    """The quote for amounts of meters, in their own units; None where nothing has a price here. The answer's
    `total` is a month's, `hourly` an hour's, `next_total` a month's from the next cycle on."""
    items = [{"meter": meter, "amount": str(amount)} for meter, amount in amounts.items() if amount > 0]
    if not items:
        return None
    try:
        found = await visit.api.post(_QUOTES, {"quote": {"items": items, **order}})
    except ApiProblem as problem:
        if problem.status == 401:
            raise
        return None
    return cast(Document, found["quote"])
