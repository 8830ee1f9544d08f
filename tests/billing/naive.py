"""An independent model of what is charged: second by second, in exact fractions, in plain loops.

It keeps its own log of what happened and shares nothing with the program but published prices and levels.
Only in seconds in which something begins or ends does it look anew at what a second costs: in all others that
is what it was in the second before.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

CYCLE_S = 300
TERM_S = 30 * 86400
RATE, BYTES = "bandwidth_mbit", "traffic_out_bytes"
# What a quantity in own units times seconds is divided by.
PER = {
    "cpu_mhz": 1000 * 3600,
    "memory_mib": 1024 * 3600,
    "storage_gib": TERM_S,
    "address": TERM_S,
    RATE: TERM_S,
    BYTES: 2**30,
}


def per(meter):
    """A class is counted as its meter is."""
    return PER[meter.partition(":")[0]]


DISCOUNTS = {1: 0, 3: 3, 6: 10, 12: 25, 24: 35, 36: 45}


@dataclass
class Held:
    """An amount from a second on, until another."""

    project: str
    resource: str
    meter: str
    amount: int
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
    amount: int
    since: int
    until: int
    resource: str | None = None

    def holds(self, second):
        return self.since <= second < self.until


@dataclass
class Sent:
    """Bytes that went out of a port, counted in a second."""

    project: str
    port: str
    quantity: int
    second: int


@dataclass
class Model:
    """`price(account, meter, cycle)` is given; `payer(project, cycle)` too."""

    price: object
    payer: object
    held: list[Held] = field(default_factory=list)
    bought: list[Bought] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def hold(self, project, resource, meter, amount, second):
        held = Held(project, resource, meter, amount, second, order=len(self.held))
        self.held.append(held)
        return held

    def charges(self, cycle):
        """(account, project, meter) to the charge of a cycle, in units of 10^-20."""
        quantities = self._held_in(cycle)
        for key, quantity in self._sent_in(cycle).items():
            quantities[key] += quantity
        found = {
            (account, project, meter): rounded(quantity * self.price(account, meter, cycle) / per(meter))
            for (account, project, meter), quantity in quantities.items()
        }
        return {key: amount for key, amount in found.items() if amount}

    def _held_in(self, cycle):
        first, last = cycle * CYCLE_S, (cycle + 1) * CYCLE_S
        held = [one for one in self.held if one.since < last and (one.until is None or one.until > first)]
        bought = [one for one in self.bought if one.since < last and one.until > first]
        changes = {first, *(one.since for one in [*held, *bought]), *(one.until for one in [*held, *bought])}
        quantities = defaultdict(int)
        for second in range(first, last):
            if second in changes:
                each = self._second(second, cycle, held, bought)
            for key, amount in each.items():
                quantities[key] += amount
        return quantities

    def _second(self, second, cycle, held, bought):
        """What is charged of this second: what subscriptions of one thing, then those of all, leave over,
        whatever began first being covered first."""
        left, special, charged = defaultdict(int), defaultdict(int), defaultdict(int)
        for one in bought:
            if one.holds(second):
                if one.resource is None:
                    left[one.account, one.meter] += one.amount
                else:
                    special[one.account, one.meter, one.resource] += one.amount
        running = [one for one in held if one.holds(second)]
        for one in sorted(running, key=lambda held: (held.since, held.order)):
            account = self.payer(one.project, cycle)
            rest = max(one.amount - special[account, one.meter, one.resource], 0)
            covered = min(rest, left[account, one.meter])
            left[account, one.meter] -= covered
            charged[account, one.project, one.meter] += rest - covered
        return charged

    def _sent_in(self, cycle):
        """Bytes above what committed rates carry: 125,000 a second for each Mbit/s."""
        seconds = range(cycle * CYCLE_S, (cycle + 1) * CYCLE_S)
        sent = defaultdict(int)
        for one in self.sent:
            if one.second in seconds:
                sent[one.project, one.port] += one.quantity
        charged = defaultdict(int)
        for (project, port), quantity in sent.items():
            rates = [one for one in self.held if (one.meter, one.resource) == (RATE, port)]
            carried = sum(125_000 * one.amount for second in seconds for one in rates if one.holds(second))
            charged[self.payer(project, cycle), project, BYTES] += max(quantity - carried, 0)
        return charged


def term_price(amount, meter, months, price):
    """What a term costs ahead, in units of 10^-20."""
    full = rounded(amount * months * TERM_S * price / per(meter))
    return rounded(Fraction(full * (100 - DISCOUNTS[months]), 100 * 10**20))


def rounded(amount):
    """To 20 places, half up, as digits."""
    scaled = amount * 10**20
    whole = int(scaled)
    return whole + 1 if (scaled - whole) * 2 >= 1 else whole
