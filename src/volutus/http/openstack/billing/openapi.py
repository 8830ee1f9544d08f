"""The OpenAPI document of this API, made from its route table and its bodies: it cannot say anything else
than what is served."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from volutus.http.kernel import Request, Route, document
from volutus.http.openstack.billing import schemas

_TEXT = {"type": "string"}
_REF = "#/components/schemas/{name}"
# What each route is sent; those that are not here have no JSON body.
BODIES: dict[tuple[str, str], type[msgspec.Struct]] = {
    ("POST", "/v1/quotes"): schemas.QuoteBody,
    ("POST", "/v1/subscription-calculator"): schemas.SubscriptionsBody,
    ("POST", "/v1/subscriptions"): schemas.SubscriptionsBody,
    ("PATCH", "/v1/subscriptions/{subscription_id}"): schemas.SubscriptionChangeBody,
    ("POST", "/v1/subscriptions/{subscription_id}/extend"): schemas.ExtensionBody,
    ("POST", "/v1/packages"): schemas.PackageBody,
    ("PUT", "/v1/traffic/ports/{port_id}"): schemas.TrafficBody,
    ("POST", "/v1/payments"): schemas.CheckoutBody,
    ("PUT", "/v1/top-up"): schemas.TopUpBody,
    ("POST", "/v1/vouchers/redeem"): schemas.RedemptionBody,
    ("POST", "/v1/budgets"): schemas.BudgetBody,
    ("PUT", "/v1/region"): schemas.RegionBody,
    ("POST", "/v1/accounts"): schemas.AccountBody,
    ("PATCH", "/v1/accounts/{account_id}"): schemas.AccountChangeBody,
    ("POST", "/v1/accounts/{account_id}/payments"): schemas.PaymentBody,
    ("POST", "/v1/accounts/{account_id}/credits"): schemas.CreditBody,
    ("POST", "/v1/accounts/{account_id}/invoices"): schemas.InvoiceBody,
    ("POST", "/v1/exchange-rates"): schemas.ExchangeRateBody,
    ("POST", "/v1/tax-rates"): schemas.TaxRateBody,
    ("POST", "/v1/costs"): schemas.CostBody,
    ("POST", "/v1/vouchers"): schemas.VoucherBody,
    ("PUT", "/v1/uplink"): schemas.UplinkBody,
}
# A price list is sent as the file that it is.
_FILE: dict[str, Any] = {"application/toml": {"schema": {"type": "string"}}}
FILES = {("POST", "/v1/price-lists"): _FILE | {"text/csv": {"schema": {"type": "string"}}}}
_PAGE = ("limit", "marker")
_LIST, _SPAN = ("region", "currency"), ("month", "since", "until", "format")
_LEDGER = ("project_id", "meter", "kind", "since", "until", *_PAGE, "format")
# What may be asked of a list or a report, by the path of its GET.
QUERIES: dict[str, tuple[str, ...]] = {
    "/v1/prices": (*_LIST, "format"),
    "/v1/prices/history": (*_LIST, "meter", "since", "until", "limit", "format"),
    "/v1/price-lists": _LIST,
    "/v1/price-lists/{list_id}/edition": ("at", "format"),
    "/v1/ledger": _LEDGER,
    "/v1/accounts/{account_id}/ledger": _LEDGER,
    "/v1/statement": ("project_id", *_SPAN),
    "/v1/accounts/{account_id}/statement": ("project_id", *_SPAN),
    "/v1/notices": _PAGE,
    "/v1/payments": _PAGE,
    "/v1/invoices": _PAGE,
    "/v1/packages": _PAGE,
    "/v1/subscriptions": ("status", *_PAGE),
    "/v1/invoices/{number}": ("format",),
    "/v1/accounts": _PAGE,
    "/v1/margin": ("currency", *_SPAN),
    "/v1/showback": _SPAN,
    "/v1/books": (*_PAGE, "format"),
    "/v1/audit": ("first", "last"),
}
_REFUSALS = {
    "400": "The order makes no sense; `field` names where",
    "401": "No valid token",
    "402": "The account lacks funds; `missing` says how much",
    "403": "Not allowed",
    "404": "No such thing, or not yours",
    "409": "Its present state forbids it",
}


def serve(routes: Sequence[Route]) -> Route:
    """The route that answers the document of these routes."""

    def show(request: Request) -> Response:
        """This document."""
        return document(describe(routes, f"{request.service_url}"))

    return Route("GET", "/v1/openapi.json", show, open=True)


def describe(routes: Sequence[Route], url: str) -> dict[str, Any]:
    """OpenAPI 3.1 of the routes under a URL."""
    shapes, components = msgspec.json.schema_components(list(BODIES.values()), ref_template=_REF)
    refs = dict(zip(BODIES, shapes, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path or "/", {})[route.method.lower()] = _operation(route, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Volutus billing", "version": "1.0"},
        "servers": [{"url": url}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    }


def _operation(route: Route, refs: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", route.path)
    asked = QUERIES.get(route.path, ()) if route.method == "GET" else ()
    path = [{"name": one, "in": "path", "required": True, "schema": _TEXT} for one in names]
    query = [{"name": one, "in": "query", "schema": _TEXT} for one in asked]
    operation: dict[str, Any] = {
        "summary": " ".join((route.handler.__doc__ or "").split()),
        "parameters": [*path, *query],
        "responses": {
            "2XX": {"description": "Done"},
            **{status: {"description": why} for status, why in _REFUSALS.items()},
        },
    }
    if route.open:
        operation["security"] = []
    key = (route.method, route.path)
    if key in refs or key in FILES:
        content = FILES.get(key) or {"application/json": {"schema": refs[key]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation
