"""Begins ordered payments at their provider, and asks after those whose event may have been lost."""

from collections.abc import Mapping, Sequence

from volutus.billing import checkouts
from volutus.billing.checkouts import ORDERED, Checkout
from volutus.billing.providers import OPEN, Provider, ProviderAway, Wanted
from volutus.db import Database, Tx
from volutus.reconcile import Again, Done, Item, Outcome

# An event comes within seconds; this only catches those that never came.
LOOK_S = 120
AWAY_S = 15


class CheckoutReconciler:
    """Reads in one transaction, asks the provider with none open, records in another. All of it may be done
    twice: the provider knows our id, the ledger the provider's."""

    kind = checkouts.KIND
    batch = 1

    def __init__(self, database: Database, providers: Mapping[str, Provider], origin: str) -> None:
        self._database = database
        self._providers = providers
        self._origin = origin

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """One payment each."""
        return {item.key: self._step(item.key) for item in items}

    def scan(self, tx: Tx) -> Sequence[str]:
        """Those that are not over."""
        return checkouts.waiting(tx)

    def _step(self, checkout_id: str) -> Outcome:
        with self._database.begin() as tx:
            checkout = checkouts.fetch(tx, checkout_id)
            wanted = self._wanted(tx, checkout) if checkout else None
        provider = self._providers.get(checkout.provider) if checkout else None
        if checkout is None or wanted is None or provider is None:
            return Done()
        try:
            if checkout.status == ORDERED:
                seen = provider.begin(wanted)
            else:
                seen = provider.look(checkout.reference or "", wanted)
        except ProviderAway as error:
            return Again(AWAY_S, f"{error.message} {error.detail}", failed=True)
        with self._database.begin() as tx:
            checkouts.settle(tx, checkout, seen)
        return Again(LOOK_S, "for the payer") if seen.status == OPEN else Done()

    def _wanted(self, tx: Tx, checkout: Checkout) -> Wanted | None:
        saved = checkouts.saved(tx, checkout.account_id, checkout.provider) if checkout.automatic else None
        if checkout.automatic and saved is None:
            return None
        return Wanted(
            id=checkout.id,
            amount=checkout.amount,
            currency=checkout.currency,
            description=f"Account {checkout.account_id}",
            return_url=f"{self._origin}/?payment={checkout.id}",
            saved=saved,
        )
