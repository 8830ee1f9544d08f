"""Prices in force and to come, and what an order would cost."""

from typing import Any

from volutusclient.osc import base


class ListPrices(base.Lister):
    """Prices in force, of what is bought ahead and of use, with those of the next cycle"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("--region", help="Prices of this region")
        parser.add_argument("--currency", help="Prices in this currency (CNY, USD …)")
        return parser

    def take_action(self, parsed: Any) -> Any:
        found = self.billing.get("/prices", region=parsed.region, currency=parsed.currency)
        currency = found["price_list"]["currency"]
        lines = [{**line, "currency": currency} for line in found["prices"]]
        return base.table(
            lines, ("meter", "unit", "currency", "ahead", "level", "current", "next_level", "next")
        )


class PriceHistory(base.Lister):
    """Levels of prices as they were, and the loads they came from"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("--meter", help="Only of this meter")
        parser.add_argument("--since", help="From this time on")
        base.add_page(parser)
        return parser

    def take_action(self, parsed: Any) -> Any:
        found = self.billing.get(
            "/prices/history", meter=parsed.meter, since=parsed.since, limit=parsed.limit
        )
        return base.table(
            found["history"], ("time", "meter", "level", "price", "currency", "unit", "load", "is_next")
        )


class Quote(base.ShowOne):
    """What an order would cost, by the code that would charge it"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("items", nargs="*", type=base.item, metavar="METER=AMOUNT", help="Any meter")
        parser.add_argument("--flavor", help="Its name, or a shape such as 4000mhz-8c-4096m")
        parser.add_argument("--storage", type=base.amount, metavar="GIB", help="A disk (the flavor's)")
        parser.add_argument("--storage-type", help="The disk's class")
        parser.add_argument("--address", type=base.amount, metavar="COUNT", help="So many public addresses")
        parser.add_argument("--prepaid", action="store_true", help="Paid ahead instead of by use")
        parser.add_argument("--months", type=int, default=1, help="The term of what is prepaid (1)")
        parser.add_argument(
            "--traffic-cap",
            type=base.amount,
            metavar="MBIT",
            help="Cap of what goes out, for the worst case",
        )
        return parser

    def take_action(self, parsed: Any) -> Any:
        items, disk_gib = list(parsed.items), parsed.storage
        if parsed.flavor:
            sizes, own_gib = self._flavor(parsed.flavor)
            items += sizes
            disk_gib = own_gib if disk_gib is None else disk_gib
        if disk_gib:
            of_class = f":{parsed.storage_type}" if parsed.storage_type else ""
            items.append({"meter": f"storage_gib{of_class}", "amount": str(disk_gib)})
        if parsed.address:
            items.append({"meter": "address", "amount": str(parsed.address)})
        wanted = {
            "items": items,
            "method": "prepaid" if parsed.prepaid else "postpaid",
            "months": parsed.months,
            "traffic_cap_mbit": str(parsed.traffic_cap) if parsed.traffic_cap else None,
        }
        quote = self.billing.post("/quotes", {"quote": wanted})["quote"]
        lines = quote.pop("lines")
        each = {one["meter"]: f"{base.plain(one['total'])} at {base.plain(one['price'])}" for one in lines}
        return base.shown({**quote, **each})

    def _flavor(self, name: str) -> tuple[list[dict[str, str]], int]:
        """What a flavor consists of, and its disk in GiB. A shape needs no look at the cloud's flavors."""
        if (sizes := base.shape(name)) is not None:
            return sizes, 0
        compute = self.app.client_manager.compute
        found = compute.find_flavor(name, get_extra_specs=True, ignore_missing=False)
        sizes = base.sizes(found.extra_specs["volutus:mhz"], found.ram)
        return sizes, int(found.disk)
