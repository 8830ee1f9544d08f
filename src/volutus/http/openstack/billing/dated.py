"""What operators say from a moment on, and what they said before: the region's terms, exchange rates, taxes,
costs, vouchers, the uplink."""

from starlette.responses import Response

from volutus.billing import accounts, invoices, margins, payments, prices, traffic, uplink
from volutus.billing.accounts import RegionChanges
from volutus.billing.invoices import TaxRate
from volutus.billing.margins import Cost
from volutus.billing.prices import Rate
from volutus.http.kernel import Request, created, document, no_content
from volutus.http.openstack.billing import schemas, views


def region(request: Request) -> Response:
    """What is billed here, who sells, and how long who does not pay is waited for."""
    return document({"region": views.shown(accounts.needed_region(request.tx))})


def set_region(request: Request) -> Response:
    """The mode of accounts that come to be from now on (paying, or showback without money), who sells, and
    how long who does not pay is waited for."""
    body = request.read(schemas.RegionBody).region
    changes = RegionChanges(**{name: getattr(body, name) for name in body.__struct_fields__})
    changed = accounts.set_region(request.tx, request.caller, changes)
    return document({"region": views.shown(changed)})


def exchange_rates(request: Request) -> Response:
    """All exchange rates, of each pair the newest first."""
    return document({"exchange_rates": views.shown(prices.rates(request.tx))})


def publish_rate(request: Request) -> Response:
    """An exchange rate."""
    body = request.read(schemas.ExchangeRateBody).exchange_rate
    rate = Rate(body.base, body.quote, body.rate, body.valid_from or request.tx.now)
    prices.publish_rate(request.tx, request.caller, rate)
    return created({"exchange_rate": views.shown(rate)})


def tax_rates(request: Request) -> Response:
    """All tax rates, of each country the newest first."""
    return document({"tax_rates": views.shown(invoices.taxes(request.tx))})


def set_tax(request: Request) -> Response:
    """A tax rate."""
    body = request.read(schemas.TaxRateBody).tax_rate
    rate = TaxRate(body.country, body.name, body.percent, body.valid_from or request.tx.now)
    invoices.set_tax(request.tx, request.caller, rate)
    return created({"tax_rate": views.shown(rate)})


def costs(request: Request) -> Response:
    """What units of meters cost, of each the newest first."""
    return document({"costs": views.shown(margins.costs(request.tx))})


def set_cost(request: Request) -> Response:
    """What a unit of a meter costs from a moment on."""
    body = request.read(schemas.CostBody).cost
    cost = Cost(body.meter, body.currency, body.cost, body.valid_from or request.tx.now)
    margins.set_cost(request.tx, request.caller, cost)
    return created({"cost": views.shown(cost)})


def vouchers(request: Request) -> Response:
    """All vouchers, and who redeemed them. Their codes are not known."""
    return document({"vouchers": views.shown(payments.vouchers(request.tx))})


def make_voucher(request: Request) -> Response:
    """A voucher. Its code is not shown again."""
    body = request.read(schemas.VoucherBody).voucher
    payments.make_voucher(request.tx, request.caller, body.code, body.amount, body.currency, body.expires_at)
    return no_content()


def uplink_now(request: Request) -> Response:
    """How much bandwidth can be promised, and how much is."""
    return document({"uplink": views.shown(traffic.uplink(request.tx))})


def set_uplink(request: Request) -> Response:
    """How much bandwidth can be promised."""
    uplink.set_uplink(request.tx, request.caller, request.read(schemas.UplinkBody).uplink.mbit)
    return no_content()
