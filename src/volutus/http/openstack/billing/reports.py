"""What operators look at: who spent what, and what each meter earns."""

from starlette.responses import Response

from volutus.billing import accounts, margins, showback
from volutus.http.kernel import Request, document
from volutus.http.openstack.billing import queries, views


def tree(request: Request) -> Response:
    """The tree of projects with what each branch spent; and the same by tag."""
    since, until = queries.span(request)
    branches = showback.tree(request.tx, request.caller, since, until)
    rows = [views.shown(branch) for branch in branches]
    if views.wants_csv(request):
        return views.table(rows, "showback")
    head = {"since": views.moment(since), "until": views.moment(until)}
    body = {**head, "projects": rows, "tags": views.shown(showback.by_tag(branches))}
    return document({"showback": body})


def margin(request: Request) -> Response:
    """Revenue, cost and margin of each meter in the region's currency, or another."""
    since, until = queries.span(request)
    currency = request.query.get("currency") or accounts.needed_region(request.tx).currency
    rows = [views.shown(line) for line in margins.report(request.tx, currency, since, until)]
    if views.wants_csv(request):
        return views.table(rows, "margin")
    head = {"currency": currency, "since": views.moment(since), "until": views.moment(until)}
    return document({"margin": {**head, "meters": rows}})
