"""An independent model of rating: second by second, in exact fractions, in plain loops.

It keeps its own log of what happened and shares nothing with the program but the price of a meter.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

PER = {"cpu_mhz": 3_600_000, "memory_mib": 1024 * 3600, "storage_gib": 2_592_000, "address": 2_592_000}


@dataclass
class Held:
    """An amount from a second on, until another."""

    project: str
    resource: str
    meter: str
    amount: Fraction
    since: int
    until: int | None = None
    order: int = 0

    def holds(self, second):
        return self.since <= second and (self.until is None or second < self.until)


@dataclass
class Bought:
    """An amount that an account has paid for; of one resource, or of any."""

    account: str
    meter: str
    amount: Fraction
    since: int
    until: int
    resource: str | None = None

    def holds(self, second):
        return self.since <= second < self.until


@dataclass
class Model:
    """`price(account, meter, cycle)` is given; `payer(project, cycle)` too."""

    price: object
    payer: object
    held: list[Held] = field(default_factory=list)
    bought: list[Bought] = field(default_factory=list)

    def charges(self, cycle):
        """(account, project, meter) to the exact charge of a cycle, before rounding."""
        quantities = defaultdict(Fraction)
        for second in range(cycle * 300, cycle * 300 + 300):
            self._second(second, cycle, quantities)
        found = {}
        for (account, project, meter), quantity in quantities.items():
            price = self.price(account, meter, cycle)
            found[account, project, meter] = quantity * price / PER[meter]
        return {key: amount for key, amount in found.items() if amount}

    def _second(self, second, cycle, quantities):
        left = defaultdict(Fraction)
        special = defaultdict(Fraction)
        for one in self.bought:
            if one.holds(second):
                if one.resource is None:
                    left[one.account, one.meter] += one.amount
                else:
                    special[one.account, one.meter, one.resource] += one.amount
        running = [one for one in self.held if one.holds(second)]
        for one in sorted(running, key=lambda held: (held.since, held.order)):
            account = self.payer(one.project, cycle)
            rest = max(one.amount - special[account, one.meter, one.resource], Fraction(0))
            covered = min(rest, left[account, one.meter])
            left[account, one.meter] -= covered
            quantities[account, one.project, one.meter] += rest - covered


def rounded(amount):
    """To 20 places, half up, as digits."""
    scaled = amount * 10**20
    whole = int(scaled)
    return whole + 1 if (scaled - whole) * 2 >= 1 else whole
