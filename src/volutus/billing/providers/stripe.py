"""Stripe: hosted checkout with 3-D Secure, saved cards for topping up, and signed events.

Requests are forms with our payment's id as idempotency key, so that one that is tried again begins nothing
twice. The signature of an event is HMAC-SHA256 over `TIMESTAMP.BODY`; one older than five minutes is a
replay. Amounts are in the currency's smallest unit. Source of these rules: Stripe's API reference
(`/v1/checkout/sessions`, `/v1/payment_intents`, "Verify webhook signatures").
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from volutus.billing import money
from volutus.billing.providers import (
    EXPIRED,
    FAILED,
    OPEN,
    PAID,
    ForgedEvent,
    ProviderAway,
    Saved,
    Seen,
    Wanted,
)

TIMEOUT_S = 20
# How old an event may be: as Stripe's own libraries have it.
EVENT_AGE_MAX_S = 300
SIGNATURE = "stripe-signature"
_DONE = ("checkout.session.completed", "checkout.session.async_payment_succeeded")
_OVER = {"checkout.session.expired": EXPIRED, "checkout.session.async_payment_failed": FAILED}
_SESSIONS, _INTENTS = "/v1/checkout/sessions", "/v1/payment_intents"


@dataclass(frozen=True)
class StripeKeys:
    """`secret` signs our requests, `events` theirs. Neither is ever shown."""

    secret: str
    events: str


class Stripe:
    """Stripe at a URL: the real one, or a stand-in that speaks the same."""

    name = "stripe"

    def __init__(self, keys: StripeKeys, url: str = "https://api.stripe.com") -> None:
        self._keys = keys
        self._http = httpx.Client(base_url=url, auth=(keys.secret, ""), timeout=TIMEOUT_S)

    def begin(self, wanted: Wanted) -> Seen:
        """A checkout page; or, with a saved card, the payment itself."""
        if wanted.saved is not None:
            return self._charge(wanted, wanted.saved)
        item = "line_items[0]"
        form = {
            "mode": "payment",
            "client_reference_id": wanted.id,
            "success_url": wanted.return_url,
            "cancel_url": wanted.return_url,
            f"{item}[quantity]": "1",
            f"{item}[price_data][currency]": wanted.currency.lower(),
            f"{item}[price_data][unit_amount]": str(money.minor_units(wanted.amount, wanted.currency)),
            f"{item}[price_data][product_data][name]": wanted.description,
            "customer_creation": "always",
            "payment_intent_data[setup_future_usage]": "off_session",
        }
        return _session(self._ask("POST", _SESSIONS, wanted.id, form))

    def look(self, reference: str, wanted: Wanted) -> Seen:
        """How it stands now."""
        if wanted.saved is not None:
            return _intent(self._ask("GET", f"{_INTENTS}/{reference}"))
        session = self._ask("GET", f"{_SESSIONS}/{reference}?expand[]=payment_intent")
        return _session(session)

    def read_event(self, body: bytes, headers: Mapping[str, str], now_s: float) -> Seen | None:
        """What an event says of a checkout; None for one that is about something else. Raises ForgedEvent."""
        _verify(self._keys.events, body, headers.get(SIGNATURE, ""), now_s)
        event = json.loads(body)
        kind, about = event.get("type"), event.get("data", {}).get("object", {})
        if kind in _DONE:
            return _session(about)
        if kind in _OVER:
            seen = _session(about)
            return Seen(seen.reference, _OVER[kind], seen.amount, seen.currency, why=str(kind))
        return None

    def _charge(self, wanted: Wanted, saved: Saved) -> Seen:
        form = {
            "amount": str(money.minor_units(wanted.amount, wanted.currency)),
            "currency": wanted.currency.lower(),
            "customer": saved.customer,
            "payment_method": saved.method,
            "off_session": "true",
            "confirm": "true",
            "description": wanted.description,
            "metadata[payment_id]": wanted.id,
        }
        return _intent(self._ask("POST", _INTENTS, wanted.id, form))

    def _ask(
        self, method: str, path: str, key: str | None = None, form: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = self._http.request(method, path, data=form, headers=headers)
        except httpx.HTTPError as error:
            raise ProviderAway("The payment provider does not answer.", detail=str(error)) from error
        document: dict[str, Any] = answer.json() if answer.content else {}
        problem = document.get("error")
        if problem is None:
            return document
        # A card that was declined is an answer: the intent is in it, and says so.
        if problem.get("type") == "card_error" and "payment_intent" in problem:
            return {**problem["payment_intent"], "why": problem.get("code", "card_error")}
        raise ProviderAway("The payment provider refused.", detail=json.dumps(problem)[:500])


def sign(secret: str, body: bytes, now_s: int) -> str:
    """The header that Stripe sends with an event."""
    return f"t={now_s},v1={_digest(secret, body, str(now_s))}"


def _verify(secret: str, body: bytes, header: str, now_s: float) -> None:
    parts = [part.partition("=")[::2] for part in header.split(",")]
    at = next((value for name, value in parts if name == "t"), "")
    given = [value for name, value in parts if name == "v1"]
    expected = _digest(secret, body, at)
    if not secret or not any(hmac.compare_digest(expected, value) for value in given):
        raise ForgedEvent("The event is not signed by the payment provider.")
    if not at.isdigit() or abs(now_s - int(at)) > EVENT_AGE_MAX_S:
        raise ForgedEvent("The event is too old.")


def _digest(secret: str, body: bytes, at: str) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()


def _session(session: Mapping[str, Any]) -> Seen:
    intent = session.get("payment_intent")
    expanded = intent if isinstance(intent, dict) else {}
    currency = str(session.get("currency", "")).upper()
    paid = session.get("payment_status") == "paid" and bool(intent)
    return Seen(
        reference=str(session["id"]),
        status=PAID if paid else EXPIRED if session.get("status") == "expired" else OPEN,
        amount=_amount(session.get("amount_total"), currency),
        currency=currency,
        receipt=str(expanded.get("id", intent or "")) if paid else "",
        url=session.get("url") or "",
        saved=_saved(session.get("customer"), expanded.get("payment_method")),
    )


def _intent(intent: Mapping[str, Any]) -> Seen:
    currency = str(intent.get("currency", "")).upper()
    paid = intent.get("status") == "succeeded"
    waiting = intent.get("status") == "processing"
    return Seen(
        reference=str(intent["id"]),
        status=PAID if paid else OPEN if waiting else FAILED,
        amount=_amount(intent.get("amount"), currency),
        currency=currency,
        receipt=str(intent["id"]) if paid else "",
        why=str(intent.get("why", "")),
    )


def _amount(units: Any, currency: str) -> Decimal:
    return money.from_minor_units(int(units or 0), currency)


def _saved(customer: Any, method: Any) -> Saved | None:
    return Saved(str(customer), str(method)) if customer and method else None
