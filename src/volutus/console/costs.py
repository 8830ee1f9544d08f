"""What the project's account has, uses and spends; vouchers turn into credit here."""

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.language import _
from volutus.console.money import (
    amount,
    kind_name,
    meter_name,
    mode_name,
    notice_name,
    plain,
    quantity,
    standing_name,
)
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import CHOICES_MAX, Cell, Facts, Field, Form, Link, Row, Sheet, Table, moment
from volutus.console.visits import Visit, see

BILLING = "/billing/v1"


async def show(renderer: Renderer, visit: Visit) -> Response:
    """Everything about the account at a glance."""
    api = visit.api
    found, usage, statement, credits, notices, payments, providers, top_up = await together(
        api.get(f"{BILLING}/balance"),
        api.items(f"{BILLING}/usage", "usage"),
        api.get(f"{BILLING}/statement"),
        api.items(f"{BILLING}/credits", "credits"),
        api.items(f"{BILLING}/notices", "notices", limit=CHOICES_MAX),
        api.items(f"{BILLING}/payments", "payments"),
        api.get(f"{BILLING}/providers"),
        api.get(f"{BILLING}/top-up"),
    )
    balance, spent = found["balance"], statement["statement"]
    currency = balance["currency"]
    voucher = Field("code", _("Voucher"), value=visit.sent("code"))
    sheet = Sheet(
        title=_("Balance and use"),
        about=_("Who pays is an account. To top it up, redeem a voucher, or pay and name the account's id."),
        facts=[_account_facts(balance, spent)],
        tables=[
            _usage_table(usage),
            _spent_table(spent["lines"], currency),
            _credits_table(credits, currency),
            _payments_table(payments),
            Table(
                (_("When"), _("What")),
                [Row((moment(one["at"]), Cell(notice_name(one["kind"])))) for one in notices],
                _("Nothing was announced."),
                title=_("Announcements"),
            ),
        ],
        create=[
            *_pay_forms(visit, providers["providers"], currency),
            *_top_up_forms(visit, providers["providers"], top_up["top_up"] or {}),
            Form("redeem", _("Redeem a voucher"), [voucher], _("Redeem"), open=bool(visit.problem)),
        ],
        command="openstack balance show\nopenstack billing usage list\nopenstack statement show\n"
        "openstack payment create 50\nopenstack top up set --below 10 50\nopenstack voucher redeem CODE",
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Begin a payment, have the account top itself up, or redeem a voucher."""
    if visit.sent("act") == "pay":
        order = visit.chosen("amount", "provider")
        await visit.api.post(f"{BILLING}/payments", {"payment": order})
        return see("/costs", "created")
    if visit.sent("act") == "top-up":
        rule = visit.chosen("amount", "threshold", "provider")
        enabled = visit.sent("enabled") == "yes"
        await visit.api.put(f"{BILLING}/top-up", {"top_up": {**rule, "enabled": enabled}})
        return see("/costs", "changed")
    await visit.api.post(f"{BILLING}/vouchers/redeem", {"voucher": {"code": visit.sent("code")}})
    return see("/costs", "changed")


def _pay_forms(visit: Visit, providers: list[str], currency: str) -> list[Form]:
    """None where nobody takes money here."""
    if not providers:
        return []
    choice = [(name, name.capitalize()) for name in providers]
    fields = [
        Field("amount", _("Amount"), "number", visit.sent("amount") or "50", currency, bounds=(1, None)),
        Field("provider", _("By"), "select", visit.sent("provider"), options=choice),
    ]
    opened = bool(visit.problem and visit.sent("act") == "pay")
    return [Form("pay", _("Top up"), fields, _("Go on to pay"), open=opened)]


def _top_up_forms(visit: Visit, providers: list[str], now: Document) -> list[Form]:
    """None where nobody takes money here; `now` is the rule that there is."""
    if not providers:
        return []
    choice = [(name, name.capitalize()) for name in providers]
    below, money = plain(now.get("threshold", "10")), plain(now.get("amount", "50"))
    enabled = "yes" if now.get("enabled", True) else ""
    fields = [
        Field("threshold", _("When the balance is below"), value=visit.sent("threshold") or below),
        Field("amount", _("Pay"), value=visit.sent("amount") or money),
        Field("provider", _("By"), "select", str(now.get("provider", "")), options=choice),
        Field("enabled", _("Switched on"), "checkbox", enabled, required=False),
    ]
    about = _("By the card that you paid with last: pay once by hand first.")
    opened = bool(visit.problem and visit.sent("act") == "top-up")
    return [Form("top-up", _("Top up by itself"), fields, _("Keep"), about=about, open=opened)]


def _payments_table(payments: list[Document]) -> Table:
    return Table(
        (_("When"), _("By"), _("State"), _("Amount")),
        [
            Row(
                (
                    moment(one["created_at"]),
                    Cell(one["provider"]),
                    Cell(one["status"], state=True),
                    Cell(amount(one["amount"], one["currency"]), number=True),
                ),
                key=one["id"],
                links=_pay_links(one),
            )
            for one in payments
        ],
        _("No payment yet."),
        title=_("Payments"),
    )


def _pay_links(payment: Document) -> list[Link]:
    """Where the provider takes the money; only a page of the web will do."""
    url = str(payment["url"] or "")
    return [Link(url, _("Pay"))] if url.startswith("https://") else []


def _account_facts(balance: Document, spent: Document) -> Facts:
    currency = balance["currency"]
    pairs = [
        (_("Balance"), Cell(amount(balance["balance"], currency))),
        (_("Spent in 30 days"), Cell(amount(spent["total"], currency))),
        (_("Credit limit"), Cell(amount(balance["credit_limit"], currency))),
        (_("Kind"), Cell(mode_name(balance["mode"]))),
        (_("Standing"), Cell(standing_name(balance["standing"]))),
        (_("Account's id"), Cell(balance["account_id"], code=True)),
    ]
    return Facts(_("Account"), pairs)


def _usage_table(usage: list[Document]) -> Table:
    return Table(
        (_("What"), _("In use"), _("Covered by subscriptions"), _("Charged by use")),
        [
            Row(
                (
                    Cell(meter_name(one["meter"])),
                    *(
                        Cell(quantity(one[name], one["meter"]), number=True)
                        for name in ("using", "subscribed", "burst")
                    ),
                )
            )
            for one in usage
        ],
        _("Nothing is in use that costs anything."),
        title=_("In use now"),
    )


def _spent_table(lines: list[Document], currency: str) -> Table:
    return Table(
        (_("What"), _("Kind"), _("Amount")),
        [
            Row(
                (
                    Cell(meter_name(one["meter"]) or kind_name(one["kind"])),
                    Cell(kind_name(one["kind"])),
                    Cell(amount(one["amount"], currency), number=True),
                )
            )
            for one in lines
        ],
        _("Nothing was spent. Charges come every five minutes while something runs."),
        title=_("Spent in 30 days"),
    )


def _credits_table(credits: list[Document], currency: str) -> Table:
    return Table(
        (_("Note"), _("Amount"), _("Left"), _("Ends")),
        [
            Row(
                (
                    Cell(one["note"]),
                    Cell(amount(one["amount"], currency), number=True),
                    Cell(amount(one["remaining"], currency), number=True),
                    moment(one["expires_at"]),
                )
            )
            for one in credits
        ],
        _("No credit. A voucher gives one."),
        title=_("Credits"),
    )


PAGE = Page("/costs", show, act)
