"""Invoices as people get them: monthly by themselves, numbered without a gap, as PDF in their language."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pypdfium2
import pytest

from tests.billing.books import ADMIN, check_books
from tests.billing.test_ahead import ITEMS, pay_in
from tests.conftest import make_caller
from volutus.billing import accounts, invoices, notices, packages, subscriptions
from volutus.billing.accounts import AccountOrder, RegionChanges
from volutus.billing.invoices import TaxRate
from volutus.billing.packages import PackageOrder
from volutus.billing.papers import invoice_pdf
from volutus.billing.papers.words import LANGUAGES, catalogue, say
from volutus.billing.subscriptions import SubscriptionOrder
from volutus.errors import Conflict
from volutus.identity.caller import CLOUD

SELLER = "Rolling Clouds Ltd · 滚云有限公司\n1 Harbour Road, Hong Kong"


def test_languages_say_the_same_things():
    for language in LANGUAGES:
        assert catalogue(language).keys() == catalogue("en").keys()
        assert all(catalogue(language).values())
    assert say("fr", "invoice") == "Invoice"


def rated_until_now(tx, first):
    """As if the cycles since then had nothing in them."""
    from sqlalchemy import text

    from volutus.billing.cycles import cycle_of

    tx.execute(
        text(
            "INSERT INTO billing_cycle (cycle, previous, rated_at) SELECT c, CASE WHEN c > :first"
            " THEN c - 1 END, :now FROM generate_series(:first, :last) c"
        ),
        {"first": first, "last": cycle_of(tx.now) - 1, "now": tx.now},
    )


def buy(tx, account_id, meter="cpu_mhz", amount=1000):
    account = pay_in(tx, 100, account_id)
    order = SubscriptionOrder(meter, Decimal(amount), 1)
    subscriptions.buy(tx, make_caller(account_id), account, [order])


@pytest.fixture
def december(opened, clock):
    """Three accounts spent in November, one of which is asked for no money; one spent nothing."""
    from volutus.billing.rating import first_cycle

    with opened.begin() as tx:
        invoices.set_tax(tx, ADMIN, TaxRate("CN", "VAT", Decimal(6), tx.now))
        for name, language in (("a", "en"), ("b", "zh"), ("c", "en")):
            order = AccountOrder(f"{name} 公司", name, country="CN", language=language)
            accounts.create(tx, ADMIN, order)
        accounts.create(tx, ADMIN, AccountOrder("it", "d", mode="showback"))
        accounts.set_region(tx, ADMIN, RegionChanges(seller=SELLER))
        for name in ("a", "b", "d"):
            buy(tx, name)
        first = first_cycle(tx)
    clock.advance((datetime(2026, 12, 1, 0, 7, tzinfo=UTC) - clock.now()).total_seconds())
    with opened.begin() as tx:
        assert invoices.issue_due(tx, CLOUD) == 0
        rated_until_now(tx, first)
    return opened


def test_a_month_is_invoiced_once_by_itself(december):
    for made in (2, 0):
        with december.begin() as tx:
            assert invoices.issue_due(tx, CLOUD) == made
    with december.begin() as tx:
        found = [invoices.list_(tx, name) for name in ("a", "b", "c", "d")]
        assert [[one.number for one in own] for own in found] == [[1], [2], [], []]
        (invoice,) = found[0]
        assert (invoice.period_from.day, invoice.period_to.month) == (1, 12)
        assert (invoice.net, invoice.tax, invoice.gross) == (18, Decimal("1.08"), Decimal("19.08"))
        assert accounts.balance(tx, accounts.fetch(tx, "a")) == Decimal("80.92")
        told = [one for one in notices.list_(tx, "a") if one.kind == "invoice"]
        assert told[0].detail == {"number": "1", "gross": "19.08", "currency": "CNY"}
        middle = invoice.period_to - timedelta(days=2)
        with pytest.raises(Conflict):
            invoices.issue(tx, ADMIN, "a", middle, invoice.period_to)
        check_books(tx)


def test_what_is_paid_back_gives_its_tax_back(december, clock):
    with december.begin() as tx:
        invoices.issue_due(tx, CLOUD)
        pay_in(tx, 45, "c")
        package = packages.buy(tx, make_caller("c"), PackageOrder("server", "s", ITEMS, 1))
        begin, first = tx.now.replace(minute=5), tx.now.replace(minute=10)
    clock.advance(600)
    with december.begin() as tx:
        packages.end(tx, make_caller("c"), package)
    clock.advance(600)
    with december.begin() as tx:
        rate_the_rest(tx)
        bought = invoices.issue(tx, ADMIN, "c", begin, first)
        refunded = invoices.issue(tx, ADMIN, "c", first, first + timedelta(minutes=10))
        assert (bought.net, bought.tax) == (45, Decimal("2.7"))
        assert (refunded.net < 0, refunded.tax) == (True, Decimal("-2.699375"))
        assert accounts.balance(tx, accounts.fetch(tx, "c")) == 45 - bought.gross - refunded.gross
        check_books(tx)


def rate_the_rest(tx):
    from volutus.billing import rating

    for cycle in rating.due(tx):
        rating.rate(tx, cycle)


def page(paper, scale=2.0):
    document = pypdfium2.PdfDocument(paper)
    image = document[0].render(scale=scale).to_pil()
    return document, image


@pytest.mark.parametrize(("name", "words"), [("a", "Invoice"), ("b", "账单")])
def test_the_paper_says_it_all_and_is_printable(december, name, words, tmp_path):
    with december.begin() as tx:
        invoices.issue_due(tx, CLOUD)
        (invoice,) = invoices.list_(tx, name)
        account = accounts.fetch(tx, name)
        paper = invoice_pdf.render(invoice, account, SELLER)
        assert paper == invoice_pdf.render(invoice, account, SELLER)
    document, image = page(io.BytesIO(paper))
    image.save(tmp_path / "invoice.png")
    text = document[0].get_textpage().get_text_range()
    amounts = ("18.0000", "¥18.00", "¥1.08", "¥19.08", "VAT 6 %")
    for expected in (words, f"{name} 公司", *amounts, "2026-11-01", "滚云有限公司"):
        assert expected in text, text
    # Ink on paper: not a blank page, and nothing outside its margins.
    grey = image.convert("L")
    assert grey.getextrema() == (0, 255)
    edge = grey.crop((0, 0, 30, grey.height))
    assert edge.getextrema()[0] == 255
    document.close()
