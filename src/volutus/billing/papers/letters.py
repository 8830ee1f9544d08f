"""A notice as a mail, in the account's language: plain text, with the invoice attached where it is about one.

Its Message-ID derives from the notice, so that one that had to be sent twice is recognized as the same.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import partial
from typing import Any

from volutus.billing import money
from volutus.billing.accounts import Account
from volutus.billing.meters import CLASS_SEPARATOR
from volutus.billing.notices import Notice
from volutus.billing.papers.words import catalogue, say

# Fields of notices that are amounts, those that are seconds, and the meters named in others.
_AMOUNTS = frozenset({"amount", "spent", "gross", "funds", "a_day", "missing"})
_SECONDS = "_s"
_METER = re.compile(r"\((\w+)(:[\w.-]+)?\)")
_SPANS = (("days", 86_400), ("hours", 3600), ("minutes", 60))


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
    detail = _readable(notice.detail, account)
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


def _readable(detail: Mapping[str, Any], account: Account) -> dict[str, str]:
    """Amounts as people pay them, spans of time and meters in words; everything else as it is."""
    found = {}
    for name, value in detail.items():
        if name in _AMOUNTS:
            found[name] = money.shown(Decimal(value), account.currency)
        elif name.endswith(_SECONDS):
            found[name.removesuffix(_SECONDS)] = _span(account.language, int(value))
        else:
            found[name] = _METER.sub(partial(_named, account.language), str(value))
    return found


def _span(language: str, seconds: int) -> str:
    """14 days, 36 hours, 10 minutes: in the largest unit of which it is a whole number."""
    unit, each = next((one for one in _SPANS if seconds % one[1] == 0), _SPANS[-1])
    return say(language, f"span.{unit}", {"number": seconds // each})


def _named(language: str, found: re.Match[str]) -> str:
    meter, of_class = found.groups()
    key = f"meter.{meter}"
    if key not in catalogue(language):
        return found.group()
    return f"({say(language, key)}{(of_class or '').replace(CLASS_SEPARATOR, ' ')})"
