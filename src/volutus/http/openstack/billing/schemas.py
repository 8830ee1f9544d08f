"""Bodies of requests. Amounts are strings or whole numbers: a fraction in JSON may have passed through a
float."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

Word = Annotated[str, Meta(min_length=1, max_length=255)]
Moment = Annotated[datetime, Meta(tz=True)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Country = Annotated[str, Meta(pattern="^([A-Z]{2})?$")]
Language = Literal["en", "zh"]
# Enough to keep a second header or a second receiver out of a mail.
Contact = Annotated[str, Meta(pattern=r"^([^@\s,;<>]+@[^@\s,;<>]+)?$", max_length=254)]
Line = Annotated[str, Meta(pattern=r"^[^\r\n]*$", max_length=255)]
Months = Annotated[int, Meta(ge=1, le=36)]


class _Strict(Struct, forbid_unknown_fields=True):
    """Base of all: a field we do not know is an error, not silence."""


class QuoteItem(_Strict):
    meter: Word
    amount: Decimal


class Quote(_Strict):
    items: Annotated[list[QuoteItem], Meta(min_length=1, max_length=50)]
    method: Word = "postpaid"
    months: Months = 1
    traffic_cap_mbit: Decimal | None = None


class QuoteBody(_Strict):
    quote: Quote


class Subscription(_Strict):
    meter: Word
    amount: Decimal
    months: Months
    starts_at: Moment | None = None
    auto_renew: bool = False


class SubscriptionsBody(_Strict):
    subscriptions: Annotated[list[Subscription], Meta(min_length=1, max_length=500)]


class SubscriptionChange(_Strict):
    auto_renew: bool


class SubscriptionChangeBody(_Strict):
    subscription: SubscriptionChange


class Extension(_Strict):
    months: Months


class ExtensionBody(_Strict):
    extend: Extension


class PackageItem(_Strict):
    meter: Word
    amount: Decimal
    resource_kind: Word
    resource_id: Word


class Package(_Strict):
    resource_kind: Word
    resource_id: Word
    items: Annotated[list[PackageItem], Meta(max_length=50)] = []
    months: Months = 1
    auto_renew: bool = False


class PackageBody(_Strict):
    package: Package


class TrafficMode(_Strict):
    method: Word
    mbit: Decimal | None = None


class TrafficBody(_Strict):
    traffic: TrafficMode


class Budget(_Strict):
    name: Word
    amount: Decimal
    alert_percents: Annotated[tuple[int, ...], Meta(max_length=20)] = (50, 80, 100)
    project_id: Word | None = None
    stops: bool = False


class BudgetBody(_Strict):
    budget: Budget


class Redemption(_Strict):
    code: Word


class RedemptionBody(_Strict):
    voucher: Redemption


# Up to ten years.
Seconds = Annotated[int, Meta(ge=0, le=10 * 366 * 86_400)]
Lines = Annotated[str, Meta(max_length=1000)]


class RegionMode(_Strict):
    mode: Word | None = None
    seller: Lines | None = None
    warn_days: Annotated[int, Meta(ge=0, le=365)] | None = None
    stop_after_s: Seconds | None = None
    delete_after_s: Seconds | None = None


class RegionBody(_Strict):
    region: RegionMode


class Account(_Strict):
    name: Word
    id: Word | None = None
    currency: Currency | None = None
    mode: Word | None = None
    country: Country = ""
    language: Language = "en"
    contact: Contact = ""
    address: Lines = ""
    vat_number: Line = ""
    credit_limit: Decimal = Decimal(0)


class AccountBody(_Strict):
    account: Account


class AccountChange(_Strict):
    name: Word | None = None
    mode: Word | None = None
    country: Country | None = None
    language: Language | None = None
    contact: Contact | None = None
    address: Lines | None = None
    vat_number: Line | None = None
    credit_limit: Decimal | None = None


class AccountChangeBody(_Strict):
    account: AccountChange


class Payment(_Strict):
    amount: Decimal
    reference: Word
    source: Word = "bank"


class PaymentBody(_Strict):
    payment: Payment


class Checkout(_Strict):
    amount: Decimal
    provider: Word = "stripe"


class CheckoutBody(_Strict):
    payment: Checkout


class TopUp(_Strict):
    amount: Decimal
    threshold: Decimal
    provider: Word = "stripe"
    enabled: bool = True


class TopUpBody(_Strict):
    top_up: TopUp


class Credit(_Strict):
    amount: Decimal
    expires_at: Moment
    note: str = ""


class CreditBody(_Strict):
    credit: Credit


class Voucher(_Strict):
    code: Word
    amount: Decimal
    currency: Currency
    expires_at: Moment


class VoucherBody(_Strict):
    voucher: Voucher


class Period(_Strict):
    period_from: Moment
    period_to: Moment


class InvoiceBody(_Strict):
    invoice: Period


class ExchangeRate(_Strict):
    base: Currency
    quote: Currency
    rate: Decimal
    valid_from: Moment | None = None


class ExchangeRateBody(_Strict):
    exchange_rate: ExchangeRate


class TaxRate(_Strict):
    country: Country
    name: Word
    percent: Decimal
    valid_from: Moment | None = None


class TaxRateBody(_Strict):
    tax_rate: TaxRate


class Cost(_Strict):
    meter: Word
    currency: Currency
    cost: Decimal
    valid_from: Moment | None = None


class CostBody(_Strict):
    cost: Cost


class Uplink(_Strict):
    mbit: Decimal


class UplinkBody(_Strict):
    uplink: Uplink
