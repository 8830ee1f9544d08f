"""Subscriptions, accounts and price lists: made through their pages, and ended as far as books allow. Nothing
that was charged is ever deleted."""

import html
import re

from tests.console.test_nouns import key_of, table
from tests.console.test_servers import create, token
from volutus import billing, compute
from volutus.billing.providers.bank import BankTransfer
from volutus.reconcile import Item


def test_a_subscription_is_calculated_bought_renewed_and_over(visitor, clock):
    visitor.sign_in()
    assert "shown only" in visitor.get("/costs").text
    visitor.sign_in("admin", project="admin")
    row = visitor.get("/admin/accounts")
    path = re.search(r'href="(/admin/accounts/[^"]+)">demo<', row.text)
    assert path, "the project has an account of its own"
    assert visitor.send(path[1], act="change", mode="paying", credit_limit="0").status_code == 200
    visitor.send(path[1], act="pay", amount="50", reference="cash 1")
    visitor.sign_in()
    order = {"meter": "cpu_mhz", "amount": "1000", "months": "1"}
    assert "No subscription yet" in visitor.get("/subscriptions").text
    calculated = visitor.send("/subscriptions", act="calculate", **order).text
    assert "No subscription yet" in calculated and "USD / GHz·h" in calculated
    dear = visitor.send("/subscriptions", act="buy", **{**order, "amount": "99999999"})
    assert dear.status_code == 402 and "Top up" in dear.text
    page = visitor.send("/subscriptions", act="buy", renew="yes", **order).text
    assert "1,000 MHz" in table(page) and ">yes<" in table(page)
    key = key_of(page, "renew", "Do not renew")
    assert ">no<" in table(visitor.send("/subscriptions", act="renew", id=key, renew="").text)
    clock.advance(32 * 86400)
    visitor.sign_in()
    assert "expired" in table(visitor.get("/subscriptions").text)


def test_an_account_is_made_paid_into_and_named_for_a_project(visitor):
    visitor.sign_in("admin", project="admin")
    page = visitor.send("/admin/accounts", act="create", name="A customer", mode="paying")
    path = page.url.path
    assert path.startswith("/admin/accounts/") and "A customer" in page.text
    for _ in range(2):
        page = visitor.send(path, act="pay", amount="50", reference="transfer 7")
    assert "50.00 USD" in page.text, "the same reference again is the same payment"
    page = visitor.send(path, act="credit", amount="5", expires="2026-12-31", note="welcome")
    assert "55.00 USD" in page.text
    refused = visitor.send(path, act="pay", amount="-1", reference="x")
    assert refused.status_code == 400 and "req-" in refused.text
    project = re.search(r'href="/admin/projects/([^"]+)">demo<', visitor.get("/admin/projects").text)
    assert project
    assert "<dd>demo</dd>" in visitor.send(path, act="project", project=project[1]).text
    page = visitor.send(path, act="change", name="Renamed", mode="showback", credit_limit="0")
    assert "Renamed" in page.text and "shown only" in page.text
    assert "Renamed" in visitor.get("/admin/accounts").text
    visitor.sign_in()
    assert visitor.get(path).status_code in (403, 404) or "Renamed" not in visitor.get("/").text


def test_an_edition_of_prices_is_published_and_replaced(visitor, clock):
    visitor.sign_in("admin", project="admin")
    page = visitor.get("/admin/price-lists").text
    assert "regionone.usd" in page
    more = re.search(r'href="(/admin/price-lists\?since=50[^"]*)"', page)
    assert more, "there are more than fifty prices"
    assert table(visitor.get(more[1]).text) and "Next page" in page
    for nonsense in ("since=x", "since=-1", "since=" + "9" * 5000, "list=none"):
        assert visitor.get(f"/admin/price-lists?{nonsense}").status_code in (200, 404), nonsense
    form = page.partition('name="edition"')[2].partition(">")[2].partition("</textarea>")[0]
    before = html.unescape(form)
    dearer = before.replace('ahead = "0.0036"', 'ahead = "0.0041"')
    assert dearer != before
    assert visitor.send("/admin/price-lists", act="publish", edition="not = [toml").status_code == 400
    for text, price in ((dearer, "0.0041"), (before, "0.0036")):
        clock.advance(600)
        assert visitor.send("/admin/price-lists", act="publish", edition=text).status_code == 200
        clock.advance(600)
        assert f">{price}<" in table(visitor.get("/prices").text), price


def test_a_server_is_paid_ahead_and_by_use_again(visitor, plane):
    visitor.sign_in()
    path = create(visitor, plane)
    account = re.search(r"Account&#39;s id</dt><dd><code>([^<]+)", visitor.get("/costs").text)
    assert account
    root, admin = f"/billing/v1/accounts/{account[1]}", token(visitor, "admin")
    visitor.http.patch(root, json={"account": {"mode": "paying"}}, headers=admin)
    assert visitor.send(path, act="prepay", months="1").status_code == 402, "nothing is paid in"
    payment = {"amount": "100", "reference": "cash 2"}
    visitor.http.post(f"{root}/payments", json={"payment": payment}, headers=admin)
    page = visitor.send(path, act="prepay", months="1").text
    assert "Pay web-1 by use" in page and "Paid until 2026-12-21" in page
    term = re.search(r'name="term" value="([^"]+)"', page)
    assert term
    assert "Pay web-1 ahead" in visitor.send(path, act="end-term", term=term[1]).text


def test_an_account_tops_itself_up_with_a_card_that_was_used(visitor, served):
    visitor.sign_in()
    assert "Top up" not in visitor.get("/costs").text, "nobody takes money here"
    served.parts["providers"] = {"bank": BankTransfer("To the account 12-345")}
    page = visitor.get("/costs").text
    assert "Top up by itself" in page and "pay once by hand first" in page
    rule = {"amount": "50", "threshold": "10", "provider": "bank"}
    refused = visitor.send("/costs", act="top-up", enabled="yes", **rule)
    assert refused.status_code == 409 and "req-" in refused.text
    assert visitor.send("/costs", act="top-up", **rule).status_code == 200, "switched off it may be kept"
    assert visitor.send("/costs", act="top-up", **{**rule, "amount": "-1"}).status_code == 400
    visitor.send("/costs", act="pay", amount="25", provider="bank")
    assert "25.00 USD" in table(visitor.get("/costs").text.partition("Payments")[2])


def test_a_voucher_is_redeemed_and_an_invoice_is_read(visitor, clock, database):
    visitor.sign_in()
    account = re.search(r"Account&#39;s id</dt><dd><code>([^<]+)", visitor.get("/costs").text)
    assert account
    admin = token(visitor, "admin")
    ends = "2027-01-01T00:00:00Z"
    voucher = {"code": "WELCOME-5", "amount": "5", "currency": "USD", "expires_at": ends}
    made = visitor.http.post("/billing/v1/vouchers", json={"voucher": voucher}, headers=admin)
    assert made.status_code == 204, made.text
    assert visitor.send("/costs", act="redeem", code="WRONG").status_code in (400, 404)
    assert "5.00" in visitor.send("/costs", act="redeem", code="WELCOME-5").text
    assert visitor.send("/costs", act="redeem", code="WELCOME-5").status_code >= 400, "once"
    cycles = billing.CycleReconciler(database, compute.end_usage_of_silent)
    for _ in range(4):
        clock.advance(300)
        cycles.step([Item("billing_cycle", "region", 1, 1, 1, expired=False)])
    period = {"period_from": "2026-11-21T12:00:00Z", "period_to": "2026-11-21T12:10:00Z"}
    path = f"/billing/v1/accounts/{account[1]}"
    admin = token(visitor, "admin")
    paying = visitor.http.patch(path, json={"account": {"mode": "paying"}}, headers=admin)
    assert paying.status_code == 200, paying.text
    made = visitor.http.post(f"{path}/invoices", json={"invoice": period}, headers=admin)
    assert made.status_code in (200, 201), made.text
    visitor.sign_in()
    link = re.search(r'href="(/invoices/\d+)"', visitor.get("/invoices").text)
    assert link
    page = visitor.get(link[1]).text
    assert "Download as PDF" in page
    paper = visitor.get(f"{link[1]}/pdf")
    assert paper.content.startswith(b"%PDF") and "attachment" in paper.headers["content-disposition"]
    missing = visitor.get("/invoices/999/pdf")
    assert missing.status_code == 404 and "That did not work" in missing.text and "req-" in missing.text
