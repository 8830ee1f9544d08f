"""A notice as a mail, in the account's language: plain text, with the invoice attached where it is about one.

Its Message-ID derives from the notice, so that one that had to be sent twice is recognized as the same.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from volutus.billing import money
from volutus.billing.accounts import Account
from volutus.billing.notices import Notice
from volutus.billing.papers.words import catalogue, say

_EXACT = re.compile(r"-?\d+\.\d{3,}")


@dataclass(frozen=True)
class Attachment:
    """A paper that goes with a letter."""

    name: str
    content: bytes


def is_mailed(kind: str) -> bool:
    """Whether there are words for this kind of notice."""
    return f"mail.{kind}.subject" in catalogue("en")


def compose(notice: Notice, account: Account, sender: str, attachment: Attachment | None) -> EmailMessage:
    """The mail. Raises ValueError for an address that is none."""
    language = account.language
    detail = {name: _readable(value, account.currency) for name, value in notice.detail.items()}
    mail = EmailMessage()
    mail["From"] = Address(addr_spec=sender)
    mail["To"] = Address(account.name.replace("\n", " "), addr_spec=account.contact)
    mail["Subject"] = " ".join(say(language, f"mail.{notice.kind}.subject", detail).split())
    mail["Date"] = format_datetime(notice.at)
    mail["Message-ID"] = f"<notice-{notice.id}.{account.id}@{sender.partition('@')[2]}>"
    parts = (
        say(language, "mail.greeting", {"name": account.name}),
        say(language, f"mail.{notice.kind}.text", detail),
        say(language, "mail.closing", {"account_id": account.id}),
    )
    mail.set_content("\n\n".join(part.strip() for part in parts) + "\n")
    mail["Content-Language"] = language
    if attachment is not None:
        mail.add_attachment(
            attachment.content, maintype="application", subtype="pdf", filename=attachment.name
        )
    return mail


def _readable(value: Any, currency: str) -> str:
    """An amount as people pay it; everything else as it is."""
    text = str(value)
    return f"{money.cents(Decimal(text), currency):f}" if _EXACT.fullmatch(text) else text
