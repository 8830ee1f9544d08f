"""Paying into one's account by a provider, topping up by itself, and the events that providers send."""

from collections.abc import Mapping

from starlette.responses import Response

from volutus.billing import accounts, checkouts
from volutus.billing.checkouts import TopUp
from volutus.billing.providers import Provider
from volutus.errors import NotFound
from volutus.http.kernel import Request, accepted, document, no_content
from volutus.http.openstack.billing import schemas, views
from volutus.http.openstack.billing.paging import listed, page


def index(request: Request) -> Response:
    """The account's payments, newest first."""
    account = accounts.mine(request.tx, request.caller)
    asked = page(request)
    found = views.shown(checkouts.list_(request.tx, account.id, asked))
    return document(listed(request, "payments", found, asked))


def create(request: Request) -> Response:
    """Begin to pay. `url` is in the payment a moment later."""
    body = request.read(schemas.CheckoutBody).payment
    provider = _provider(request, body.provider).name
    made = checkouts.order(request.tx, request.caller, provider, body.amount)
    return accepted({"payment": views.shown(made)})


def show(request: Request) -> Response:
    """One payment."""
    found = checkouts.get(request.tx, request.caller, request.params["payment_id"])
    return document({"payment": views.shown(found)})


def providers(request: Request) -> Response:
    """By whom one can pay."""
    return document({"providers": sorted(_providers(request))})


def event(request: Request) -> Response:
    """What a provider tells. Its signature says who it is; the same event again changes nothing."""
    provider = _provider(request, request.params["provider"])
    now_s = request.tx.now.timestamp()
    seen = provider.read_event(request.body, request.headers, now_s)
    if seen is not None:
        found = checkouts.by_reference(request.tx, provider.name, seen.reference)
        if found is not None:
            checkouts.settle(request.tx, found, seen)
            checkouts.look_again(request.tx, found)
    return no_content()


def top_up(request: Request) -> Response:
    """How the account tops itself up."""
    account = accounts.mine(request.tx, request.caller)
    return document({"top_up": views.shown(checkouts.top_up_of(request.tx, account.id))})


def set_top_up(request: Request) -> Response:
    """Top up by itself, or no longer."""
    body = request.read(schemas.TopUpBody).top_up
    account = accounts.mine(request.tx, request.caller)
    provider = _provider(request, body.provider).name
    wanted = TopUp(account.id, provider, body.threshold, body.amount, body.enabled)
    return document({"top_up": views.shown(checkouts.set_top_up(request.tx, request.caller, wanted))})


def _providers(request: Request) -> Mapping[str, Provider]:
    found: Mapping[str, Provider] = request.plane.parts.get("providers", {})
    return found


def _provider(request: Request, name: str) -> Provider:
    try:
        return _providers(request)[name]
    except KeyError:
        raise NotFound(f"Nobody can pay by {name[:40]!r} here.") from None
