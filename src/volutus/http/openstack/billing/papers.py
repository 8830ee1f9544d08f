"""Invoices, credits and budgets of the caller's account."""

from starlette.responses import Response

from volutus.billing import accounts, payments
from volutus.billing import budgets as budgets_
from volutus.billing import invoices as invoices_
from volutus.billing.budgets import BudgetOrder
from volutus.errors import NotFound
from volutus.http.kernel import Request, created, document, no_content, whole_number
from volutus.http.openstack.billing import schemas, views
from volutus.http.openstack.billing.paging import listed, numbered_page


def invoices(request: Request) -> Response:
    """The account's invoices."""
    account = accounts.mine(request.tx, request.caller)
    asked = numbered_page(request)
    found = views.shown(invoices_.list_(request.tx, account.id, asked))
    return document(listed(request, "invoices", found, asked, "number"))


def invoice(request: Request) -> Response:
    """One invoice."""
    number = whole_number(request.params["number"])
    if number is None:
        raise NotFound(f"Invoice {request.params['number'][:20]} could not be found.")
    found = invoices_.get(request.tx, request.caller, number)
    if _wants_pdf(request):
        # Only here: drawing takes more memory than all the rest of a process that serves.
        from volutus.billing.papers import invoice_pdf

        account = accounts.fetch(request.tx, found.account_id)
        paper = invoice_pdf.render(found, account, accounts.needed_region(request.tx).seller)
        name = {"Content-Disposition": f'attachment; filename="invoice-{found.number}.pdf"'}
        return Response(paper, 200, name, media_type="application/pdf")
    if views.wants_csv(request):
        return views.table(found.lines, f"invoice-{found.number}")
    return document({"invoice": views.shown(found)})


def _wants_pdf(request: Request) -> bool:
    return request.query.get("format") == "pdf" or "application/pdf" in request.headers.get("accept", "")


def credits_mine(request: Request) -> Response:
    """Credits with what is left of each."""
    account = accounts.mine(request.tx, request.caller)
    granted = payments.credits_of(request.tx, account.id)
    left = payments.remaining(request.tx, account, granted)
    rows = [{**views.shown(credit), "remaining": views.shown(left[credit.id])} for credit in granted]
    return document({"credits": rows})


def redeem(request: Request) -> Response:
    """Turn a voucher into a credit."""
    code = request.read(schemas.RedemptionBody).voucher.code
    return created({"credit": views.shown(payments.redeem(request.tx, request.caller, code))})


def budgets(request: Request) -> Response:
    """Budgets with what was spent of them this month."""
    account = accounts.mine(request.tx, request.caller)
    rows = [
        {**views.shown(budget), "spent": views.shown(budgets_.spent(request.tx, budget))}
        for budget in budgets_.list_(request.tx, account.id)
    ]
    return document({"budgets": rows})


def create_budget(request: Request) -> Response:
    """A new budget."""
    body = request.read(schemas.BudgetBody).budget
    order = BudgetOrder(body.name, body.amount, body.alert_percents, body.project_id, body.stops)
    account = accounts.mine(request.tx, request.caller)
    return created({"budget": views.shown(budgets_.create(request.tx, request.caller, account, order))})


def delete_budget(request: Request) -> Response:
    """Remove a budget."""
    account = accounts.mine(request.tx, request.caller)
    budgets_.remove(request.tx, request.caller, account, request.params["budget_id"])
    return no_content()
