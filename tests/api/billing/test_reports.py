"""What operators look at, and the document that describes the API."""

from decimal import Decimal

from sqlalchemy import text

from tests.billing.test_rating import rate_all
from volutus.billing import accounts
from volutus.http.openstack.billing.openapi import BODIES, FILES, QUERIES
from volutus.http.openstack.billing.routes import ROUTES
from volutus.metering import Usage, open_usage

V1 = "/billing/v1"
SPAN = "since=2026-11-21T12:00:00Z&until=2026-11-21T12:05:00Z"
TREE = {"firm": [], "sales": ["firm"], "plant": ["firm"], "press": ["firm", "plant"]}


def use(database, clock, **amounts):
    with database.begin() as tx:
        usages = [Usage(name, "server", name, "cpu_mhz", Decimal(mhz)) for name, mhz in amounts.items()]
        open_usage(tx, usages)
        open_usage(tx, [Usage("sales", "volume", "v", "storage_gib", Decimal(20))])
    clock.advance(400)
    rate_all(database)


def test_departments_add_up_to_the_whole(operator, database, clock):
    with database.begin() as tx:
        tx.execute(
            text(
                "INSERT INTO identity_domain (id, name, description, created_at)"
                " VALUES ('default', 'Default', '', :now)"
            ),
            {"now": tx.now},
        )
        for name, above in TREE.items():
            tx.execute(
                text(
                    "INSERT INTO identity_project (id, domain_id, parent_id, ancestors, name, description,"
                    " enabled, tags, options, extra, epoch, created_at) VALUES (:id, 'default', :parent,"
                    " :above, :id, '', true, :tags, '{}', '{}', 0, :now)"
                ),
                {
                    "id": name,
                    "parent": above[-1] if above else None,
                    "above": above,
                    "tags": ["paper"] if name in ("press", "sales") else [],
                    "now": tx.now,
                },
            )
    use(database, clock, sales=1000, plant=2000, press=4000, gone=1000)
    body = operator.get(f"{V1}/showback?{SPAN}").json()["showback"]
    found = {one["project_id"]: one for one in body["projects"]}
    total = {name: Decimal(one["total"]) for name, one in found.items()}
    assert [one["project_id"] for one in body["projects"]] == ["gone", "firm", "plant", "press", "sales"]
    assert total["plant"] == Decimal("0.015")
    assert total["firm"] == total["plant"] + total["sales"] == Decimal("0.015") + Decimal("0.00375")
    assert Decimal(found["firm"]["own"]) == 0
    with database.begin() as tx:
        whole = -sum(accounts.balance(tx, one) for one in accounts.list_(tx))
    assert total["firm"] + total["gone"] == whole == sum(Decimal(one["own"]) for one in body["projects"])
    assert {tag: Decimal(amount) for tag, amount in body["tags"].items()} == {"paper": Decimal("0.01375")}
    assert operator.get(f"{V1}/showback?format=csv").text.startswith("project_id,name,")
    november = operator.get(f"{V1}/accounts/sales/statement?month=2026-11").json()["statement"]
    assert (november["since"], november["until"]) == ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert november["tags"] == {"paper": november["total"]} == {"paper": "0.00375000000000000000"}
    assert operator.get(f"{V1}/showback?month=2026-10").json()["showback"]["projects"] == []
    assert operator.get(f"{V1}/showback?month=11").json()["error"]["field"] == "month"
    balance = operator.get(f"{V1}/accounts/sales").json()["account"]["balance"]
    # Five days of 1 GHz at 0.03 an hour and 20 GB at 0.54 a month.
    assert Decimal(balance["reserved"]) == Decimal("3.6") + Decimal("1.8")
    assert Decimal(balance["available"]) == Decimal("-5.40375")


def test_storage_may_lose_money_and_it_is_said(operator, database, clock):
    for meter, cost in (("cpu_mhz", "0.01"), ("storage_gib", "1.08")):
        body = {"cost": {"meter": meter, "currency": "CNY", "cost": cost}}
        assert operator.post(f"{V1}/costs", body).status_code == 201
        assert operator.post(f"{V1}/costs", body).status_code == 409
    use(database, clock, sales=1000)
    answer = operator.get(f"{V1}/margin?{SPAN}")
    found = {one["meter"]: one for one in answer.json()["margin"]["meters"]}
    figures = {name: (Decimal(one["revenue"]), Decimal(one["margin"])) for name, one in found.items()}
    cpu = Decimal("0.0025")
    assert figures["cpu_mhz"][0] == cpu
    assert abs(figures["cpu_mhz"][1] - cpu * 2 / 3) < Decimal("1e-15")
    assert figures["storage_gib"] == (Decimal("0.00125"), Decimal("-0.00125"))


def test_the_api_describes_itself(billing):
    described = billing.request("GET", f"{V1}/openapi.json", headers={"X-Auth-Token": ""}).json()
    served = {(route.method.lower(), route.path or "/") for route in ROUTES if "openapi" not in route.path}
    told = {(method, path) for path, ways in described["paths"].items() for method in ways}
    assert told == served
    assert all(operation["summary"] for ways in described["paths"].values() for operation in ways.values())
    quote = described["paths"]["/v1/quotes"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert quote["$ref"].rpartition("/")[2] in described["components"]["schemas"]
    assert {*BODIES, *FILES, *(("GET", path) for path in QUERIES)} <= {
        (route.method, route.path) for route in ROUTES
    }
