"""Paying by a provider: over its page and 3-D Secure into the ledger, once; and by bank transfer."""

import json
from dataclasses import replace
from decimal import Decimal

import httpx
import pytest

from tests.billing.conftest import open_billing
from tests.billing.stripe_stand_in import ASKS_THE_BANK, DECLINED, GOOD, KEY
from tests.billing.stripe_stand_in import Stripe as StandIn
from tests.conftest import make_caller
from volutus import main
from volutus.billing import checkouts, notices
from volutus.billing.checkout_reconciler import CheckoutReconciler
from volutus.billing.providers.stripe import sign
from volutus.identity.caller import CLOUD
from volutus.reconcile import Worker

V1 = "/billing/v1"
EVENTS = f"{V1}/providers/stripe/events"
SECRET = "whsec_test"


@pytest.fixture
def stripe():
    """Its events are kept, to be sent by the test when it likes."""
    events = []
    server = StandIn(events.append)
    server.events = events
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(settings, stripe):
    ways = {"stripe_secret_key": KEY, "stripe_event_secret": SECRET, "stripe_url": stripe.url}
    return replace(settings, **ways, bank_instructions="IBAN DE00 1234")


@pytest.fixture
def shop(api, database):
    with database.begin() as tx:
        open_billing(tx)
    return api


@pytest.fixture
def work(database, settings):
    """Lets the reconciler do all that is due."""
    providers = main.payment_providers(settings)
    worker = Worker(database, [CheckoutReconciler(database, providers, "http://cloud")])

    def drain():
        worker.scan()
        worker.drain()

    return drain


def tell(shop, clock, event, secret=SECRET, age=0):
    body = json.dumps(event).encode()
    at = int(clock.now().timestamp()) - age
    headers = {"X-Auth-Token": "", "Stripe-Signature": sign(secret, body, at)}
    return shop.request("POST", EVENTS, content=body, headers=headers).status_code


def balance(shop):
    return Decimal(shop.get(f"{V1}/balance").json()["balance"]["balance"])


def begin(shop, work, amount="25.00", provider="stripe"):
    made = shop.post(f"{V1}/payments", {"payment": {"amount": amount, "provider": provider}})
    assert made.status_code == 202, made.text
    work()
    return shop.get(f"{V1}/payments/{made.json()['payment']['id']}").json()["payment"]


def state(shop, payment):
    return shop.get(f"{V1}/payments/{payment['id']}").json()["payment"]["status"]


def pay(payment, card):
    """What the payer's browser does, until it is back at us."""
    answer = httpx.post(payment["url"], data={"card": card})
    if answer.status_code == 302 and answer.headers["location"].startswith("/secure/"):
        secure = str(httpx.URL(payment["url"]).join(answer.headers["location"]))
        answer = httpx.post(secure, data={"code": "123456"})
    return answer


def test_over_three_d_secure_into_the_ledger_once(shop, stripe, work, clock):
    payment = begin(shop, work)
    assert (payment["status"], payment["url"]) == ("open", f"{stripe.url}/pay/cs_test_1")
    assert pay(payment, DECLINED).status_code == 402
    assert state(shop, payment) == "open"
    back = pay(payment, ASKS_THE_BANK)
    assert back.headers["location"] == f"http://cloud/?payment={payment['id']}"
    (event,) = stripe.events
    assert tell(shop, clock, event, secret="whsec_other") == 403
    assert tell(shop, clock, event, age=301) == 403
    assert shop.request("POST", EVENTS, json=event, headers={"X-Auth-Token": ""}).status_code == 403
    assert balance(shop) == 0
    for _ in range(3):
        assert tell(shop, clock, event) == 204
    work()
    assert (balance(shop), state(shop, payment)) == (25, "paid")
    lines = shop.get(f"{V1}/ledger").json()["ledger"]
    assert [(line["kind"], line["amount"]) for line in lines] == [("payment", "25.00000000000000000000")]


def test_a_lost_event_is_asked_for(shop, stripe, work, clock):
    payment = begin(shop, work)
    pay(payment, GOOD)
    clock.advance(200)
    work()
    assert (balance(shop), state(shop, payment)) == (25, "paid")


def test_what_was_not_ordered_is_not_credited(shop, stripe, work, clock, database):
    payment = begin(shop, work)
    stripe.sessions["cs_test_1"]["amount_total"] = 1
    pay(payment, GOOD)
    tell(shop, clock, stripe.events[0])
    assert (balance(shop), state(shop, payment)) == (0, "failed")
    with database.begin() as tx:
        assert [one.kind for one in notices.list_(tx, "project-a")] == ["payment_failed"]


def test_begun_twice_is_one_page(shop, stripe, database, work, settings):
    """A crash between the provider's answer and our record: the next attempt finds the same page."""
    begin(shop, work)
    with database.begin() as tx:
        (found,) = checkouts.list_(tx, "project-a")
    provider = main.payment_providers(settings)["stripe"]
    reconciler = CheckoutReconciler(database, {"stripe": provider}, "http://cloud")
    with database.begin() as tx:
        again = provider.begin(reconciler._wanted(tx, found))
    assert (again.reference, len(stripe.sessions)) == (found.reference, 1)


def test_topping_up_by_itself(shop, stripe, work, clock, database):
    wish = {"top_up": {"amount": "50", "threshold": "30"}}
    assert shop.put(f"{V1}/top-up", wish).status_code == 409
    pay(begin(shop, work), GOOD)
    tell(shop, clock, stripe.events[0])
    work()
    assert shop.put(f"{V1}/top-up", wish).json()["top_up"]["enabled"]

    def upkeep():
        with database.begin() as tx:
            due = checkouts.top_up_due(tx, CLOUD)
        work()
        return due

    assert [upkeep(), upkeep()] == [1, 0]
    assert balance(shop) == 75
    stripe.card_asks_again = True
    shop.put(f"{V1}/top-up", {"top_up": {"amount": "50", "threshold": "100"}})
    assert [upkeep(), upkeep()] == [1, 0]
    assert balance(shop) == 75
    with database.begin() as tx:
        (failed,) = [one for one in notices.list_(tx, "project-a") if one.kind == "payment_failed"]
    assert failed.detail["why"] == "authentication_required"
    clock.advance(90_000)
    stripe.card_asks_again = False
    assert [upkeep(), upkeep()] == [1, 0]
    assert balance(shop) == 125


def test_a_provider_that_is_away_is_asked_again(shop, stripe, work, clock):
    stripe.shutdown()
    stripe.server_close()
    payment = begin(shop, work)
    assert (payment["status"], payment["url"]) == ("ordered", "")


def test_bank_transfer(shop, work):
    payment = begin(shop, work, "12.5", "bank")
    assert payment["instructions"].splitlines()[0] == "IBAN DE00 1234"
    operator = shop.as_(make_caller("admin", "admin", user="operator"))
    arrived = {"payment": {"amount": "12.50", "reference": payment["id"]}}
    path = f"{V1}/accounts/project-a/payments"
    assert [operator.post(path, arrived).status_code for _ in range(2)] == [201, 200]
    assert (balance(shop), state(shop, payment)) == (Decimal("12.5"), "paid")


@pytest.mark.parametrize(("amount", "provider", "status"), [("0.001", "stripe", 400), ("5", "cowrie", 404)])
def test_payments_that_make_no_sense(shop, amount, provider, status):
    body = {"payment": {"amount": amount, "provider": provider}}
    assert shop.post(f"{V1}/payments", body).status_code == status


def test_no_key_is_shown(settings):
    assert KEY not in str(settings.shown())
    assert SECRET not in str(settings.shown())
