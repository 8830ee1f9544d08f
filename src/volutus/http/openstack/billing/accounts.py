"""The account that pays for the caller's project: balance, ledger, usage, statements, notices."""

from decimal import Decimal

from starlette.responses import Response

from volutus import volume
from volutus.billing import (
    accounts,
    admission,
    forecasts,
    ledger,
    money,
    notices,
    standing,
    statements,
    thing_costs,
)
from volutus.billing.accounts import Account
from volutus.billing.ledger import LineFilter
from volutus.billing.thing_costs import Thing
from volutus.compute import meters
from volutus.http.kernel import Request, document
from volutus.http.openstack.billing import queries, views
from volutus.http.openstack.billing.paging import listed, numbered_page

# What disks are metered as.
VOLUME = "volume"


def balance(request: Request) -> Response:
    """What the caller's account has."""
    account = accounts.mine(request.tx, request.caller)
    return document({"balance": _balance(request, account)})


def show(request: Request) -> Response:
    """An account that pays for the caller's project; any account for administrators."""
    account = accounts.get(request.tx, request.caller, request.params["account_id"])
    projects = accounts.projects(request.tx, account.id)
    body = {**views.shown(account), "projects": projects, "balance": _balance(request, account)}
    return document({"account": body})


def ledger_mine(request: Request) -> Response:
    """The caller's account, line by line, newest first."""
    return _ledger(request, accounts.mine(request.tx, request.caller))


def ledger_of(request: Request) -> Response:
    """The same of an account named in the path."""
    return _ledger(request, accounts.get(request.tx, request.caller, request.params["account_id"]))


def usage(request: Request) -> Response:
    """What is in use now, what of it is covered, and what is charged by use."""
    account = accounts.mine(request.tx, request.caller)
    projects = accounts.projects(request.tx, account.id) or [account.id]
    found = statements.using(request.tx, account.id, projects)
    return document({"usage": views.shown(found)})


def cost_of(request: Request) -> Response:
    """What one thing of the caller's project cost in a time; a server with the disks that it has now."""
    account = accounts.mine(request.tx, request.caller)
    kind, key = request.params["resource_kind"], request.params["resource_id"]
    since, until = queries.span(request, thing_costs.SPAN_DAYS_MAX)
    things = [Thing(kind, key)]
    if kind == meters.SERVER:
        things += [Thing(VOLUME, disk.disk_id) for disk in volume.guest_disks(request.tx, key)]
    found = thing_costs.costs(request.tx, account.id, request.caller.own_project(), things, (since, until))
    total = sum((line.amount for line in found), start=Decimal(0))
    head = {"since": views.moment(since), "until": views.moment(until), "currency": account.currency}
    return document({"cost": {**head, "total": f"{total:f}", "lines": views.shown(found)}})


def statement_mine(request: Request) -> Response:
    """What the caller's account spent in a time, by project and meter."""
    return _statement(request, accounts.mine(request.tx, request.caller))


def statement_of(request: Request) -> Response:
    """The same of an account named in the path."""
    return _statement(request, accounts.get(request.tx, request.caller, request.params["account_id"]))


def forecast(request: Request) -> Response:
    """What this month will have cost at the present pace."""
    account = accounts.mine(request.tx, request.caller)
    found = views.shown(forecasts.forecast(request.tx, account.id))
    return document({"forecast": {**found, "currency": account.currency}})


def notices_mine(request: Request) -> Response:
    """What the account was told."""
    account = accounts.mine(request.tx, request.caller)
    asked = numbered_page(request)
    found = views.shown(notices.list_(request.tx, account.id, asked))
    return document(listed(request, "notices", found, asked))


def _balance(request: Request, account: Account) -> dict[str, object]:
    stands = standing.get(request.tx, account.id)
    balance = accounts.balance(request.tx, account)
    reserved = admission.need(request.tx, account, {}).funds
    return {
        "account_id": account.id,
        "balance": views.shown(balance),
        "currency": account.currency,
        "credit_limit": views.shown(account.credit_limit),
        # What the next days of all that is in use need, and what is left for orders beside it.
        "reserved": views.shown(reserved),
        "available": views.shown(money.total((balance, account.credit_limit, -reserved))),
        "mode": account.mode,
        "standing": stands.state,
    }


def _ledger(request: Request, account: Account) -> Response:
    query = request.query
    asked = numbered_page(request)
    wanted = LineFilter(
        project_id=query.get("project_id"),
        meter=query.get("meter"),
        kind=query.get("kind"),
        since=queries.moment(request, "since"),
        until=queries.moment(request, "until"),
        before_number=None if asked.marker is None else int(asked.marker),
        limit=asked.limit,
    )
    lines = [views.ledger_line(line) for line in ledger.lines(request.tx, account.id, wanted)]
    if views.wants_csv(request):
        return views.table(lines, "ledger")
    return document(listed(request, "ledger", lines, asked, "number"))


def _statement(request: Request, account: Account) -> Response:
    since, until = queries.span(request)
    project_id = request.query.get("project_id")
    lines = statements.statement(request.tx, account.id, since, until, project_id)
    rows = [views.shown(line) for line in lines]
    if views.wants_csv(request):
        return views.table(rows, "statement")
    head = {"account_id": account.id, "since": views.moment(since), "until": views.moment(until)}
    total = money.total(line.amount for line in lines)
    sums = {"total": total, "tags": statements.by_tag(request.tx, lines)}
    return document({"statement": {**head, **views.shown(sums), "lines": rows}})
