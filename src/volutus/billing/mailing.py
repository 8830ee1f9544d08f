"""Which notices are still to be mailed, and that each is claimed by one sender at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text

from volutus.billing.notices import Notice
from volutus.db import Tx

ROUND_MAX = 50
# What nobody could be told in this time is no news any more: an account that gets a contact later, or a mail
# server set up months after the cloud, does not set off all that was ever said.
NEWS_FOR = timedelta(days=3)
# A sender that died is believed to be dead after this; the mail is then sent again under the same id.
CLAIM_FOR = timedelta(minutes=10)
ATTEMPTS_MAX = 12

_DUE = text(
    """
    SELECT n.id, n.account_id, n.kind, n.at, n.detail FROM billing_notice n
    JOIN billing_account a ON a.id = n.account_id LEFT JOIN billing_mail m ON m.notice_id = n.id
    WHERE a.contact <> '' AND n.at > :news_since
        AND (m.notice_id IS NULL OR (m.status = 'sending' AND m.at <= :claimed_before))
    ORDER BY n.id LIMIT :limit
    """
)
_CLAIM = text(
    """
    INSERT INTO billing_mail AS m (notice_id, status, attempts, at) VALUES (:id, 'sending', 1, :now)
    ON CONFLICT (notice_id) DO UPDATE SET attempts = m.attempts + 1, at = excluded.at
        WHERE m.status = 'sending' AND m.at <= :claimed_before
    """
)
_DONE = text("UPDATE billing_mail SET status = :status, why = :why, at = :now WHERE notice_id = :id")
# Given back at once: it was surely not sent.
_AGAIN = text(
    """
    UPDATE billing_mail SET status = CASE WHEN attempts >= :most THEN 'failed' ELSE 'sending' END,
        why = :why, at = :at WHERE notice_id = :id
    """
)


@dataclass(frozen=True)
class Failure:
    """Why a mail was not sent. A lasting one is not tried again."""

    why: str
    lasting: bool


def due(tx: Tx) -> Sequence[Notice]:
    """The oldest that are to be sent now."""
    keys = {"news_since": tx.now - NEWS_FOR, "claimed_before": tx.now - CLAIM_FOR, "limit": ROUND_MAX}
    return [Notice(**row._mapping) for row in tx.rows(_DUE, keys)]


def claim(tx: Tx, notice_id: int) -> bool:
    """Whether it is ours to send."""
    return bool(tx.changed(_CLAIM, {"id": notice_id, "now": tx.now, "claimed_before": tx.now - CLAIM_FOR}))


def sent(tx: Tx, notice_id: int) -> None:
    """The mail server took it."""
    tx.execute(_DONE, {"id": notice_id, "status": "sent", "why": "", "now": tx.now})


def not_sent(tx: Tx, notice_id: int, failure: Failure) -> None:
    """It was refused, or will be tried again in a minute."""
    why = failure.why[:500]
    if failure.lasting:
        tx.execute(_DONE, {"id": notice_id, "status": "failed", "why": why, "now": tx.now})
    else:
        at = tx.now - CLAIM_FOR + timedelta(minutes=1)
        tx.execute(_AGAIN, {"id": notice_id, "most": ATTEMPTS_MAX, "why": why, "at": at})
