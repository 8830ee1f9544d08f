"""Money: what usage costs, who pays for it, and the books in which that is kept.

`ledger` books transfers; `accounts` are who pays for which projects; `prices` are dated lists; `rating`
charges a cycle's usage; `subscriptions` and `packages` are what is bought ahead. Amounts are exact decimals
throughout. Of other domains' tables it reads one pair: metering's `usage_ranges` and `usage_counts`, for a
cycle is rated in one statement.
"""

from volutus.billing.bootstrap import bootstrap
from volutus.billing.checkout_reconciler import CheckoutReconciler
from volutus.billing.mail_reconciler import MailReconciler, MailServer
from volutus.billing.reconciler import CycleReconciler, UpkeepReconciler
from volutus.billing.standing import Enforcement, may_run

__all__ = [
    "CheckoutReconciler",
    "CycleReconciler",
    "Enforcement",
    "MailReconciler",
    "MailServer",
    "UpkeepReconciler",
    "bootstrap",
    "may_run",
]
