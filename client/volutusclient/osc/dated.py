"""What operators say from a moment on: the region's terms, exchange rates, taxes, costs, vouchers, the
uplink; and credits that they give."""

from typing import Any

from volutusclient.osc import base

_TERMS = ("warn_days", "stop_after_s", "delete_after_s")


class ShowRegion(base.ShowOne):
    """What is billed here, who sells, and how long who does not pay is waited for"""

    def take_action(self, parsed: Any) -> Any:
        return base.shown(self.billing.get("/region")["region"])


class SetRegion(base.ShowOne):
    """Change the terms of the region"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("--mode", choices=["paying", "showback"], help="Of accounts made from now on")
        parser.add_argument("--seller", help="Who sells, as invoices print it")
        for name in _TERMS:
            parser.add_argument(f"--{name.replace('_', '-')}", type=int)
        return parser

    def take_action(self, parsed: Any) -> Any:
        names = ("mode", "seller", *_TERMS)
        wanted = {name: value for name in names if (value := getattr(parsed, name)) is not None}
        return base.shown(self.billing.send("PUT", "/region", {"region": wanted})["region"])


class ListRates(base.Lister):
    """Exchange rates, of each pair the newest first"""

    def take_action(self, parsed: Any) -> Any:
        fields = ("base", "quote", "rate", "valid_from")
        return base.table(self.billing.get("/exchange-rates")["exchange_rates"], fields)


class SetRate(base.ShowOne):
    """Say what one unit of a currency costs in another"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("base", help="One of this (USD)")
        parser.add_argument("quote", help="costs, in this (CNY),")
        parser.add_argument("rate", type=base.amount, help="so much")
        return _with_start(parser)

    def take_action(self, parsed: Any) -> Any:
        wanted = {"base": parsed.base, "quote": parsed.quote, "rate": str(parsed.rate), **_start(parsed)}
        return base.shown(self.billing.post("/exchange-rates", {"exchange_rate": wanted})["exchange_rate"])


class ListTaxes(base.Lister):
    """Tax rates, of each country the newest first"""

    def take_action(self, parsed: Any) -> Any:
        fields = ("country", "name", "percent", "valid_from")
        return base.table(self.billing.get("/tax-rates")["tax_rates"], fields)


class SetTax(base.ShowOne):
    """Say what accounts of a country pay in tax"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("country", help="Two letters (DE)")
        parser.add_argument("percent", type=base.amount)
        parser.add_argument("--name", default="VAT", help="As invoices print it (VAT)")
        return _with_start(parser)

    def take_action(self, parsed: Any) -> Any:
        wanted = {"country": parsed.country, "name": parsed.name, "percent": str(parsed.percent)}
        answer = self.billing.post("/tax-rates", {"tax_rate": wanted | _start(parsed)})
        return base.shown(answer["tax_rate"])


class ListCosts(base.Lister):
    """What units of meters cost the operator, of each the newest first"""

    def take_action(self, parsed: Any) -> Any:
        fields = ("meter", "currency", "cost", "valid_from")
        return base.table(self.billing.get("/costs")["costs"], fields)


class SetCost(base.ShowOne):
    """Say what a unit of a meter costs the operator"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("meter")
        parser.add_argument("cost", type=base.amount, help="In the unit of the meter's price")
        parser.add_argument("--currency", required=True)
        return _with_start(parser)

    def take_action(self, parsed: Any) -> Any:
        wanted = {"meter": parsed.meter, "currency": parsed.currency, "cost": str(parsed.cost)}
        return base.shown(self.billing.post("/costs", {"cost": wanted | _start(parsed)})["cost"])


class ListVouchers(base.Lister):
    """Vouchers, and who redeemed them; their codes are not kept"""

    def take_action(self, parsed: Any) -> Any:
        fields = ("id", "amount", "currency", "expires_at", "redeemed_by")
        return base.table(self.billing.get("/vouchers")["vouchers"], fields)


class CreateVoucher(base.Command):
    """Make a code that whoever has it may turn into a credit, once"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("code", help="Choose one that nobody guesses")
        parser.add_argument("amount", type=base.amount)
        parser.add_argument("--currency", required=True)
        return _with_end(parser)

    def take_action(self, parsed: Any) -> None:
        wanted = {"code": parsed.code, "amount": str(parsed.amount), "currency": parsed.currency}
        self.billing.post("/vouchers", {"voucher": wanted | {"expires_at": parsed.expires_at}})


class GrantCredit(base.ShowOne):
    """Give an account a credit until a moment"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("account", metavar="<account>", help="Its id: mostly the project's")
        parser.add_argument("amount", type=base.amount, help="In the account's currency")
        parser.add_argument("--note", default="", help="What for")
        return _with_end(parser)

    def take_action(self, parsed: Any) -> Any:
        wanted = {"amount": str(parsed.amount), "expires_at": parsed.expires_at, "note": parsed.note}
        answer = self.billing.post(f"/accounts/{parsed.account}/credits", {"credit": wanted})
        return base.shown(answer["credit"])


class ShowUplink(base.ShowOne):
    """How much bandwidth can be promised to ports, and how much is"""

    def take_action(self, parsed: Any) -> Any:
        return base.shown(self.billing.get("/uplink")["uplink"])


class SetUplink(base.Command):
    """Say how much bandwidth can be promised to ports"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("mbit", type=base.amount, help="Mbit/s in all")
        return parser

    def take_action(self, parsed: Any) -> None:
        self.billing.send("PUT", "/uplink", {"uplink": {"mbit": str(parsed.mbit)}})


def _with_start(parser: Any) -> Any:
    parser.add_argument("--valid-from", help="From this time on (now): 2027-01-01T00:00:00Z")
    return parser


def _start(parsed: Any) -> dict[str, str]:
    return {"valid_from": parsed.valid_from} if parsed.valid_from else {}


def _with_end(parser: Any) -> Any:
    parser.add_argument("--expires-at", required=True, help="Until when: 2027-01-01T00:00:00Z")
    return parser
