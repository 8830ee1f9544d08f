"""Subscriptions, accounts and price lists: made through their pages, and ended as far as books allow. Nothing
that was charged is ever deleted."""

import html
import re

from tests.console.test_nouns import key_of, table


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
