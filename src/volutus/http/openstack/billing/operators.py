"""What operators do: accounts, price lists, payments that came in, and the audit of the ledger."""

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from volutus.billing import (
    accounts,
    auditing,
    invoices,
    ledger,
    payments,
    price_files,
    prices,
    rating,
)
from volutus.billing.accounts import ACCOUNTS_MAX, AccountOrder
from volutus.billing.cycles import CYCLES_PER_DAY, cycle_of
from volutus.billing.payments import Payment
from volutus.errors import Invalid
from volutus.http.kernel import Request, created, document, no_content, whole_number
from volutus.http.openstack.billing import queries, schemas, views
from volutus.http.openstack.billing.paging import listed, numbered_page

# A request that recomputes more than a day holds its connection too long: ask day by day.
AUDIT_CYCLES_MAX = CYCLES_PER_DAY
# What a table for a spreadsheet has where nobody says how many lines.
TABLE_MAX = 10_000


def accounts_all(request: Request) -> Response:
    """All accounts."""
    limit = queries.number(request, "limit", ACCOUNTS_MAX, ACCOUNTS_MAX)
    found = accounts.list_(request.tx, request.query.get("marker"), limit)
    return document({"accounts": views.shown(found)})


def create_account(request: Request) -> Response:
    """A new account."""
    body = request.read(schemas.AccountBody).account
    order = AccountOrder(**{name: getattr(body, name) for name in body.__struct_fields__})
    return created({"account": views.shown(accounts.create(request.tx, request.caller, order))})


def change_account(request: Request) -> Response:
    """Change what is given."""
    body = request.read(schemas.AccountChangeBody).account
    found = accounts.fetch(request.tx, request.params["account_id"])
    given = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not None}
    changed = accounts.update(request.tx, request.caller, replace(found, **given))
    return document({"account": views.shown(changed)})


def pay_for(request: Request) -> Response:
    """The account pays for a project from now on."""
    account_id, project_id = request.params["account_id"], request.params["project_id"]
    accounts.pay_for(request.tx, request.caller, account_id, [project_id])
    return no_content()


def use_list(request: Request) -> Response:
    """The account has another price list from now on."""
    account_id = request.params["account_id"]
    accounts.fetch(request.tx, account_id)
    prices.edition(request.tx, request.params["list_id"])
    accounts.use_list(request.tx, request.caller, account_id, request.params["list_id"])
    return no_content()


def pay_in(request: Request) -> Response:
    """Note money that arrived. The same reference again changes nothing."""
    body = request.read(schemas.PaymentBody).payment
    payment = Payment(request.params["account_id"], body.amount, body.reference, body.source)
    is_new = payments.pay_in(request.tx, request.caller, payment)
    account = accounts.fetch(request.tx, payment.account_id)
    balance = views.shown(accounts.balance(request.tx, account))
    return document({"payment": {"booked": is_new, "balance": balance}}, 201 if is_new else 200)


def grant(request: Request) -> Response:
    """Give a credit."""
    body = request.read(schemas.CreditBody).credit
    account_id = request.params["account_id"]
    credit = payments.grant(request.tx, request.caller, account_id, body.amount, body.expires_at, body.note)
    return created({"credit": views.shown(credit)})


def issue_invoice(request: Request) -> Response:
    """Make the invoice of a time, or show the one that was made."""
    body = request.read(schemas.InvoiceBody).invoice
    account_id = request.params["account_id"]
    made = invoices.issue(request.tx, request.caller, account_id, body.period_from, body.period_to)
    return created({"invoice": views.shown(made)})


def publish(request: Request) -> Response:
    """A new edition of a list, as TOML or CSV: it is in force from the next cycle on, or from when it
    says."""
    try:
        text = request.body.decode()
    except UnicodeDecodeError as error:
        raise Invalid("The list is text in UTF-8.") from error
    if "csv" in request.headers.get("content-type", ""):
        edition = prices.continued(request.tx, price_files.read_csv(text))
    else:
        edition = price_files.read_toml(text)
    valid_from = prices.publish(request.tx, request.caller, edition)
    body = {"id": edition.list_id, "valid_from": views.moment(valid_from), "prices": len(edition.prices)}
    return created({"price_list": body})


def export(request: Request) -> Response:
    """What a list itself says now, or at a time, as the file that publishes it: TOML, or with `format=csv` a
    table."""
    at = queries.moment(request, "at")
    edition = prices.edition(request.tx, request.params["list_id"], at)
    if views.wants_csv(request):
        text, kind = price_files.write_csv(edition), "csv"
    else:
        text, kind = price_files.write_toml(edition), "toml"
    name = {"Content-Disposition": f'attachment; filename="{edition.list_id}.{kind}"'}
    media_type = "text/csv" if kind == "csv" else "application/toml"
    return Response(text, 200, name, media_type=f"{media_type}; charset=utf-8")


def books(request: Request) -> Response:
    """The accounts of the ledger with what each holds, by kind and owner; the sum of all is zero."""
    asked = numbered_page(request)
    if views.wants_csv(request) and "limit" not in request.query:
        asked = replace(asked, limit=TABLE_MAX)
    rows: list[dict[str, Any]] = [
        {
            "id": str(one.id),
            "kind": one.side.kind,
            "owner": one.side.owner,
            "currency": one.side.currency,
            "balance": f"{one.balance:f}",
        }
        for one in ledger.balances(request.tx, asked)
    ]
    if views.wants_csv(request):
        return views.table(rows, "books")
    return document(listed(request, "books", rows, asked))


def audit(request: Request) -> Response:
    """Recompute cycles from usage and name every difference, with the usage that has no price."""
    following = rating.next_cycle(request.tx)
    if following is None or following == rating.first_cycle(request.tx):
        # Nothing is rated yet.
        return document({"audit": {"cycles": 0, "differences": [], "gaps": []}})
    last = queries.number(request, "last", following - 1, 2**62)
    first = queries.number(request, "first", last, 2**62)
    if not 0 <= last - first < AUDIT_CYCLES_MAX:
        raise Invalid(f"1 to {AUDIT_CYCLES_MAX} cycles at once.", field="first")
    found = auditing.audit_cycles(request.tx, first, last)
    gaps = rating.gaps(request.tx, first, last)
    body = {"first": first, "last": last, "cycles": last - first + 1}
    return document({"audit": {**body, "differences": views.shown(found), "gaps": views.shown(gaps)}})


def correct(request: Request) -> Response:
    """Book what a cycle lacks or has too much; answers what has no price still."""
    cycle = whole_number(request.params["cycle"])
    if cycle is None or cycle > cycle_of(request.tx.now):
        raise Invalid("The cycle is the number of one that has begun.", field="cycle")
    left = auditing.correct(request.tx, request.caller, cycle)
    return document({"differences": views.shown(list(left))})
