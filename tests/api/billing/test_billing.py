"""The billing API: prices in the open, one's own account, orders, and the operator's part."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.billing.test_ahead import add_port
from tests.billing.test_rating import rate_all
from tests.conftest import make_caller
from volutus.billing import accounts, burst, checkouts, invoices, packages, subscriptions
from volutus.billing.packages import Item, PackageOrder
from volutus.billing.subscriptions import SubscriptionOrder
from volutus.identity.caller import CLOUD
from volutus.metering import Usage, open_usage

V1 = "/billing/v1"
SHAPE = [("cpu_mhz", "1000"), ("memory_mib", "1024"), ("storage_gib", "20")]
ITEMS = [{"meter": meter, "amount": amount} for meter, amount in SHAPE]


def without_token(api, path, **headers):
    return api.request("GET", path, headers={"X-Auth-Token": "", **headers})


def test_versions_are_told(billing):
    assert without_token(billing, "/billing").status_code == 300
    assert without_token(billing, "/billing/v1/").json()["version"]["id"] == "v1.0"


def test_prices_are_public(billing):
    body = without_token(billing, f"{V1}/prices").json()
    found = {line["meter"]: line for line in body["prices"]}
    assert body["price_list"]["currency"] == "CNY"
    assert body["next_at"] == "2026-11-21T12:05:00Z"
    assert found["cpu_mhz"]["ahead"] == "0.02500000000000000000"
    assert Decimal(found["traffic_out_bytes"]["current"]) == Decimal("0.8")
    dollars = without_token(billing, f"{V1}/prices?currency=USD").json()["prices"]
    assert {line["meter"]: Decimal(line["ahead"] or 0) for line in dollars}["cpu_mhz"] == Decimal("0.0036")
    assert without_token(billing, f"{V1}/prices?region=cn-north").json()["price_list"]["id"] == "cn-north.cny"
    assert without_token(billing, f"{V1}/prices?region=nowhere").status_code == 404


def test_next_becomes_current_in_the_open(billing, database, clock):
    with database.begin() as tx:
        burst.decide(tx, {"cpu_mhz": Decimal(1)})

    def seen():
        lines = without_token(billing, f"{V1}/prices").json()["prices"]
        line = next(line for line in lines if line["meter"] == "cpu_mhz")
        return line["level"], line["next_level"], Decimal(line["current"]), Decimal(line["next"])

    assert seen() == (1, 3, Decimal("0.03"), Decimal("0.033"))
    clock.advance(300)
    assert seen()[0] == 3
    history = without_token(billing, f"{V1}/prices/history?meter=cpu_mhz").json()["history"]
    (told,) = [(one["time"], one["level"], Decimal(one["price"]), one["unit"]) for one in history]
    assert told == ("2026-11-21T12:05:00Z", 3, Decimal("0.033"), "GHz·h")
    table = without_token(billing, f"{V1}/prices/history", Accept="text/csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines()[1].startswith("cpu_mhz,")


def test_lists_are_public_unless_they_are_not(billing, operator):
    private = 'list = "vip"\nregion = "us-west"\ncurrency = "CNY"\nbase = "us-west.cny"\nfactor = "0.9"\n'
    answer = operator.request("POST", f"{V1}/price-lists", content=private + "public = false\n")
    assert answer.status_code == 201, answer.text
    shown = without_token(billing, f"{V1}/price-lists").json()["price_lists"]
    assert [one["id"] for one in shown] == ["cn-north.cny", "us-west.cny", "us-west.usd"]
    assert without_token(billing, f"{V1}/price-lists/vip").status_code == 404
    assert len(without_token(billing, f"{V1}/price-lists/us-west.cny").json()["price_list"]["prices"]) > 50
    operator.put(f"{V1}/accounts/project-a/price-list/vip")
    assert billing.get(f"{V1}/balance").status_code == 200
    assert operator.put(f"{V1}/accounts/project-a/price-list/vip").status_code == 204
    quote = billing.post(f"{V1}/quotes", {"quote": {"items": ITEMS, "method": "prepaid"}}).json()["quote"]
    assert Decimal(quote["total"]) == Decimal("40.5")


def test_the_form_the_api_and_the_ledger_agree(rich):
    """¥45.00 quoted is ¥45.00 charged."""
    quote = rich.post(f"{V1}/quotes", {"quote": {"items": ITEMS, "method": "prepaid"}}).json()["quote"]
    assert (quote["total"], quote["currency"]) == ("45.00000000000000000000", "CNY")
    items = [{**item, "resource_kind": "server", "resource_id": "s"} for item in ITEMS]
    order = {"package": {"resource_kind": "server", "resource_id": "s", "items": items}}
    bought = rich.post(f"{V1}/packages", order)
    assert bought.status_code == 201, bought.text
    lines = rich.get(f"{V1}/ledger").json()["ledger"]
    assert lines[0]["amount"] == f"-{quote['total']}"
    assert (lines[0]["initial"], lines[0]["end"]) == (lines[1]["end"], "55.00000000000000000000")
    package = bought.json()["package"]
    assert rich.get(f"{V1}/packages/{package['id']}").json()["package"]["status"] == "active"
    refund = rich.post(f"{V1}/packages/{package['id']}/end", {}).json()["refund"]
    assert Decimal(refund) == 45
    assert rich.post(f"{V1}/packages/{package['id']}/end", {}).status_code == 409


def test_what_is_missing_is_told(rich):
    body = {"subscriptions": [{"meter": "cpu_mhz", "amount": "10000", "months": 1}]}
    cost = rich.post(f"{V1}/subscription-calculator", body).json()["calculation"]
    assert Decimal(cost["total"]) == 180
    refused = rich.post(f"{V1}/subscriptions", body)
    assert refused.status_code == 402
    assert Decimal(refused.json()["error"]["missing"]) == 80
    assert rich.get(f"{V1}/subscriptions").json() == {"subscriptions": []}


def test_subscriptions(rich):
    body = {"subscriptions": [{"meter": "cpu_mhz", "amount": "1000", "months": 3}]}
    (made,) = rich.post(f"{V1}/subscriptions", body).json()["subscriptions"]
    assert (Decimal(made["paid"]), made["status"]) == (Decimal("52.38"), "active")
    path = f"{V1}/subscriptions/{made['id']}"
    assert rich.patch(path, {"subscription": {"auto_renew": True}}).json()["subscription"]["auto_renew"]
    longer = rich.post(f"{path}/extend", {"extend": {"months": 1}})
    assert longer.json()["subscription"]["starts_at"] == made["ends_at"]
    assert rich.post(f"{path}/extend", {"extend": {"months": 1}}).status_code == 409
    assert len(rich.get(f"{V1}/subscriptions?status=active").json()["subscriptions"]) == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("quotes", {"quote": {"items": []}}),
        ("quotes", {"quote": {"items": [{"meter": "phlogiston", "amount": "1"}]}}),
        ("quotes", {"quote": {"items": [{"meter": "cpu_mhz", "amount": "-1"}]}}),
        ("quotes", {"quote": {"items": [{"meter": "cpu_mhz", "amount": "NaN"}]}}),
        ("quotes", {"quote": {"items": ITEMS, "method": "barter"}}),
        ("quotes", {"quote": {"items": ITEMS, "colour": "red"}}),
        ("subscriptions", {"subscriptions": [{"meter": "cpu_mhz", "amount": "1", "months": 37}]}),
        ("subscriptions", {"subscriptions": [{"meter": "traffic_out_bytes", "amount": "1", "months": 1}]}),
        ("budgets", {"budget": {"name": "b", "amount": "0"}}),
    ],
)
def test_orders_that_make_no_sense(rich, path, body):
    answer = rich.post(f"{V1}/{path}", body)
    assert answer.status_code in (400, 404), answer.text
    assert "error" in answer.json()


def test_usage_becomes_lines_that_add_up_to_the_balance(rich, database, clock):
    with database.begin() as tx:
        open_usage(tx, [Usage("project-a", "server", "s", "cpu_mhz", Decimal(12000))])
    clock.advance(700)
    rate_all(database)
    assert rich.get(f"{V1}/usage").json()["usage"] == [
        {"meter": "cpu_mhz", "using": "12000", "subscribed": "0", "burst": "12000"}
    ]
    lines = rich.get(f"{V1}/ledger").json()["ledger"]
    assert lines[0]["reason"] == ("Burst: 12 GHz of CPU for 5 minutes (3600 GHz × s) at 0.03 CNY per GHz·h")
    total = sum(Decimal(line["amount"]) for line in lines)
    assert total == Decimal(rich.get(f"{V1}/balance").json()["balance"]["balance"]) == Decimal("99.94")
    page = rich.get(f"{V1}/ledger?limit=2").json()
    following = rich.get(page["ledger_links"][0]["href"].partition("testserver")[2]).json()
    assert [line["kind"] for line in following["ledger"]] == ["payment"]
    statement = rich.get(f"{V1}/statement?since=2026-11-21T00:00:00Z").json()["statement"]
    assert Decimal(statement["total"]) == Decimal("0.06")
    assert rich.get(f"{V1}/ledger?format=csv&kind=usage").text.count("\n") == 3
    assert rich.get(f"{V1}/ledger?since=yesterday").status_code == 400


def test_other_accounts_do_not_exist(rich, operator):
    assert operator.post(f"{V1}/accounts", {"account": {"name": "B", "id": "b"}}).status_code == 201
    assert rich.get(f"{V1}/accounts/project-a").json()["account"]["balance"]["balance"].startswith("100")
    for path in ("accounts/b", "accounts/b/ledger", "accounts/nobody", "invoices/1", "invoices/x"):
        assert rich.get(f"{V1}/{path}").status_code == 404, path
    assert operator.put(f"{V1}/accounts/b/projects/project-a").status_code == 204
    assert rich.get(f"{V1}/accounts/b").status_code == 200
    assert rich.get(f"{V1}/accounts/project-a").status_code == 404
    reader = rich.as_(make_caller(role="reader"))
    order = {"subscriptions": [{"meter": "cpu_mhz", "amount": "1", "months": 1}]}
    assert reader.get(f"{V1}/balance").status_code == 200
    assert reader.post(f"{V1}/subscriptions", order).status_code == 403


def test_members_do_not_operate(rich):
    assert rich.get(f"{V1}/accounts").status_code == 403
    assert rich.post(f"{V1}/accounts/project-a/payments", {"payment": {}}).status_code == 403
    assert rich.get(f"{V1}/audit").status_code == 403


def test_a_payment_is_credited_once(rich, operator):
    again = {"payment": {"amount": "100", "reference": "first"}}
    answer = operator.post(f"{V1}/accounts/project-a/payments", again)
    assert answer.status_code == 200
    assert answer.json()["payment"]["booked"] is False
    assert Decimal(rich.get(f"{V1}/balance").json()["balance"]["balance"]) == 100
    books = operator.get(f"{V1}/books").json()["books"]
    assert sum(Decimal(row["balance"]) for row in books) == 0
    assert len(books) == 2
    page = operator.get(f"{V1}/books?limit=1").json()
    marker = f"marker={page['books'][0]['id']}"
    assert page["books_links"][0]["href"].endswith(marker)
    assert [*page["books"], *operator.get(f"{V1}/books?{marker}").json()["books"]] == books
    assert "books_links" not in operator.get(f"{V1}/books").json()
    for nowhere in ("x", "-1", "0", str(2**63)):
        assert operator.get(f"{V1}/books?marker={nowhere}").json()["books"] == []


def test_the_audit_names_what_has_no_price(rich, operator, database, clock):
    with database.begin() as tx:
        open_usage(tx, [Usage("project-a", "thing", "t", "tape_gib", Decimal(1))])
    clock.advance(400)
    rate_all(database)
    found = operator.get(f"{V1}/audit").json()["audit"]
    assert [one["what"] for one in found["differences"]] == ["no price"]
    assert [gap["meter"] for gap in found["gaps"]] == ["tape_gib"]
    left = operator.post(f"{V1}/audit/{found['last']}/correct", {}).json()["differences"]
    assert [one["meter"] for one in left] == ["tape_gib"]


def test_invoices_budgets_vouchers(rich, operator, database, clock):
    tax = {"country": "DE", "name": "MwSt", "percent": "19", "valid_from": "2026-11-21T12:00:00Z"}
    assert operator.post(f"{V1}/tax-rates", {"tax_rate": tax}).status_code == 201
    change = {"account": {"country": "DE"}}
    assert operator.patch(f"{V1}/accounts/project-a", change).json()["account"]["country"] == "DE"
    body = {"budget": {"name": "small", "amount": "0.05", "alert_percents": [50, 100]}}
    budget = rich.post(f"{V1}/budgets", body).json()["budget"]
    with database.begin() as tx:
        open_usage(tx, [Usage("project-a", "server", "s", "cpu_mhz", Decimal(12000))])
    clock.advance(700)
    rate_all(database)
    (line,) = rich.get(f"{V1}/budgets").json()["budgets"]
    assert Decimal(line["spent"]) == Decimal("0.06")
    period = {"period_from": "2026-11-21T12:00:00Z", "period_to": "2026-11-21T12:10:00Z"}
    made = operator.post(f"{V1}/accounts/project-a/invoices", {"invoice": period})
    invoice = made.json()["invoice"]
    assert (invoice["number"], Decimal(invoice["net"])) == (1, Decimal("0.06"))
    assert Decimal(invoice["tax"]) == Decimal("0.0114")
    assert rich.get(f"{V1}/invoices/1").json()["invoice"] == invoice
    assert Decimal(rich.get(f"{V1}/balance").json()["balance"]["balance"]) == Decimal("99.9286")
    assert rich.delete(f"{V1}/budgets/{budget['id']}").status_code == 204
    voucher = {"code": "WELCOME", "amount": "5", "currency": "CNY", "expires_at": "2027-01-01T00:00:00Z"}
    assert operator.post(f"{V1}/vouchers", {"voucher": voucher}).status_code == 204
    assert rich.post(f"{V1}/vouchers/redeem", {"voucher": {"code": "welcome"}}).status_code == 201
    assert rich.post(f"{V1}/vouchers/redeem", {"voucher": {"code": "welcome"}}).status_code == 404
    (credit,) = rich.get(f"{V1}/credits").json()["credits"]
    assert Decimal(credit["remaining"]) == 5


def test_traffic_by_rate_or_volume(rich, operator, database):
    port = add_port(database, "project-a")
    path = f"{V1}/traffic/ports/{port}"
    assert rich.put(path, {"traffic": {"method": "rate", "mbit": "10"}}).status_code == 409
    assert operator.put(f"{V1}/uplink", {"uplink": {"mbit": "100"}}).status_code == 204
    assert rich.put(path, {"traffic": {"method": "rate", "mbit": "10"}}).status_code == 204
    (promised,) = rich.get(f"{V1}/traffic").json()["traffic"]
    assert (promised["port_id"], Decimal(promised["mbit"])) == (port, 10)
    strange = f"{V1}/traffic/ports/{add_port(database, 'project-z')}"
    assert rich.put(strange, {"traffic": {"method": "rate", "mbit": "10"}}).status_code == 404
    assert rich.put(path, {"traffic": {"method": "volume"}}).status_code == 204
    assert rich.put(path, {"traffic": {"method": "pigeon"}}).status_code == 400


def test_before_billing_is_open_it_says_so(api):
    assert api.get(f"{V1}/balance").status_code == 409
    assert api.get(f"{V1}/prices").status_code == 409


def test_lists_are_read_page_by_page(rich, database, clock):
    me = make_caller("project-a")
    began = clock.now()
    with database.begin() as tx:
        for number in range(3):
            checkouts.order(tx, me, "stripe", Decimal(5))
            item = Item("server", f"s{number}", "cpu_mhz", Decimal(10))
            packages.buy(tx, me, PackageOrder("server", f"s{number}", (item,), 1))
            order = SubscriptionOrder("cpu_mhz", Decimal(10), 1)
            subscriptions.buy(tx, me, accounts.mine(tx, me), [order])
    clock.advance(1000)
    rate_all(database)
    with database.begin() as tx:
        for number in range(3):
            starts = began + timedelta(minutes=5 * number)
            invoices.issue(tx, CLOUD, "project-a", starts, starts + timedelta(minutes=5))
    for name in ("subscriptions", "packages", "payments", "invoices", "notices"):
        whole = rich.get(f"{V1}/{name}").json()[name]
        path, pages = f"{V1}/{name}?limit=2", []
        while path:
            body = rich.get(path).json()
            pages.append(body[name])
            path = body.get(f"{name}_links", [{"href": ""}])[0]["href"].partition("testserver")[2]
        assert sum(pages, []) == whole, name  # noqa: RUF017
        assert len(whole) >= 3 and max(map(len, pages)) == 2
