"""All routes of the billing API. Prices and their history are public: whoever compares needs no account."""

from volutus.http.kernel import Route
from volutus.http.openstack.billing import (
    accounts,
    discovery,
    openapi,
    operators,
    orders,
    papers,
    payments,
    prices,
    reports,
)

_READ, _ORDER, _OPERATE = "billing:read", "billing:order", "billing:operate"

_PUBLIC = (
    Route("GET", "", discovery.versions, open=True),
    Route("GET", "/v1", discovery.version, open=True),
    Route("GET", "/v1/prices", prices.index, open=True),
    Route("GET", "/v1/prices/history", prices.history, open=True),
    Route("GET", "/v1/price-lists", prices.lists, open=True),
    Route("GET", "/v1/price-lists/{list_id}", prices.show_list, open=True),
    # Signed by the provider, who has no token.
    Route("POST", "/v1/providers/{provider}/events", payments.event, open=True),
)
_MINE = (
    Route("GET", "/v1/balance", accounts.balance, _READ),
    Route("GET", "/v1/ledger", accounts.ledger_mine, _READ),
    Route("GET", "/v1/usage", accounts.usage, _READ),
    Route("GET", "/v1/usage/{resource_kind}/{resource_id}", accounts.cost_of, _READ),
    Route("GET", "/v1/statement", accounts.statement_mine, _READ),
    Route("GET", "/v1/forecast", accounts.forecast, _READ),
    Route("GET", "/v1/notices", accounts.notices_mine, _READ),
    Route("GET", "/v1/accounts/{account_id}", accounts.show, _READ),
    Route("GET", "/v1/accounts/{account_id}/ledger", accounts.ledger_of, _READ),
    Route("GET", "/v1/accounts/{account_id}/statement", accounts.statement_of, _READ),
    Route("POST", "/v1/quotes", orders.quote, _READ, writes=False),
    Route("POST", "/v1/subscription-calculator", orders.calculate, _READ, writes=False),
    Route("GET", "/v1/subscriptions", orders.subscriptions, _READ),
    Route("POST", "/v1/subscriptions", orders.subscribe, _ORDER),
    Route("GET", "/v1/subscriptions/{subscription_id}", orders.subscription, _READ),
    Route("PATCH", "/v1/subscriptions/{subscription_id}", orders.change_subscription, _ORDER),
    Route("POST", "/v1/subscriptions/{subscription_id}/extend", orders.extend, _ORDER),
    Route("GET", "/v1/packages", orders.packages, _READ),
    Route("POST", "/v1/packages", orders.buy_package, _ORDER),
    Route("GET", "/v1/packages/{package_id}", orders.package, _READ),
    Route("POST", "/v1/packages/{package_id}/end", orders.end_package, _ORDER),
    Route("GET", "/v1/traffic", orders.traffic_rates, _READ),
    Route("PUT", "/v1/traffic/ports/{port_id}", orders.traffic_mode, _ORDER),
    Route("GET", "/v1/providers", payments.providers, _READ),
    Route("GET", "/v1/payments", payments.index, _READ),
    Route("POST", "/v1/payments", payments.create, _ORDER),
    Route("GET", "/v1/payments/{payment_id}", payments.show, _READ),
    Route("GET", "/v1/top-up", payments.top_up, _READ),
    Route("PUT", "/v1/top-up", payments.set_top_up, _ORDER),
    Route("GET", "/v1/invoices", papers.invoices, _READ),
    Route("GET", "/v1/invoices/{number}", papers.invoice, _READ),
    Route("GET", "/v1/credits", papers.credits_mine, _READ),
    Route("POST", "/v1/vouchers/redeem", papers.redeem, _ORDER),
    Route("GET", "/v1/budgets", papers.budgets, _READ),
    Route("POST", "/v1/budgets", papers.create_budget, _ORDER),
    Route("DELETE", "/v1/budgets/{budget_id}", papers.delete_budget, _ORDER),
)
_OPERATORS = (
    Route("PUT", "/v1/region", operators.set_region, _OPERATE),
    Route("GET", "/v1/accounts", operators.accounts_all, _OPERATE),
    Route("POST", "/v1/accounts", operators.create_account, _OPERATE),
    Route("PATCH", "/v1/accounts/{account_id}", operators.change_account, _OPERATE),
    Route("PUT", "/v1/accounts/{account_id}/projects/{project_id}", operators.pay_for, _OPERATE),
    Route("PUT", "/v1/accounts/{account_id}/price-list/{list_id}", operators.use_list, _OPERATE),
    Route("POST", "/v1/accounts/{account_id}/payments", operators.pay_in, _OPERATE),
    Route("POST", "/v1/accounts/{account_id}/credits", operators.grant, _OPERATE),
    Route("POST", "/v1/accounts/{account_id}/invoices", operators.issue_invoice, _OPERATE),
    Route("POST", "/v1/price-lists", operators.publish, _OPERATE),
    Route("POST", "/v1/exchange-rates", operators.publish_rate, _OPERATE),
    Route("POST", "/v1/tax-rates", operators.set_tax, _OPERATE),
    Route("POST", "/v1/vouchers", operators.make_voucher, _OPERATE),
    Route("PUT", "/v1/uplink", operators.set_uplink, _OPERATE),
    Route("POST", "/v1/costs", reports.set_cost, _OPERATE),
    Route("GET", "/v1/margin", reports.margin, _OPERATE),
    Route("GET", "/v1/showback", reports.tree, _OPERATE),
    Route("GET", "/v1/books", operators.books, _OPERATE),
    Route("GET", "/v1/audit", operators.audit, _OPERATE),
    Route("POST", "/v1/audit/{cycle}/correct", operators.correct, _OPERATE),
)
_ALL = _PUBLIC + _MINE + _OPERATORS
ROUTES = (*_ALL, openapi.serve(_ALL))
