"""Mails notices through SMTP: each once, as far as SMTP allows.

A notice is claimed in one transaction, sent with none open, and recorded in another. A crash between the mail
server's answer and our record sends it again, under the same Message-ID: that is the one case in which a
receiver may see it twice.
"""

import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage

from volutus.billing import accounts, invoices, mailing
from volutus.billing.accounts import Account
from volutus.billing.mailing import Failure
from volutus.billing.notices import Notice
from volutus.billing.papers import letters
from volutus.billing.papers.letters import Attachment
from volutus.db import Database, Tx
from volutus.errors import VolutusError
from volutus.identity.caller import CLOUD
from volutus.reconcile import Again, Item, Outcome

KIND = "billing_mail"
KEY = "outbox"
LOOK_S = 30
TIMEOUT_S = 20
TLS_PORT = 465


@dataclass(frozen=True)
class MailServer:
    """`address` is HOST:PORT. Port 465 is encrypted from the start; elsewhere STARTTLS is used where the
    server has it, and always before a password is said."""

    address: str
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)

    def send(self, mails: Sequence[EmailMessage]) -> list[Failure | None]:
        """What became of each, over one connection. Raises OSError, SMTPException where there is none."""
        host, _, port = self.address.rpartition(":")
        context = ssl.create_default_context()
        if int(port) == TLS_PORT:
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, int(port), timeout=TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(host, int(port), timeout=TIMEOUT_S)
        with server:
            server.ehlo()
            if server.has_extn("starttls") and int(port) != TLS_PORT:
                server.starttls(context=context)
                server.ehlo()
            if self.user:
                server.login(self.user, self.password)
            return [_sent(server, mail) for mail in mails]


class MailReconciler:
    """One object: the outbox."""

    kind = KIND
    batch = 1

    def __init__(self, database: Database, server: MailServer) -> None:
        self._database = database
        self._server = server

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """Send what is to be sent."""
        mails = self._claimed()
        if mails:
            try:
                results = self._server.send([mail for _, mail in mails])
            except (OSError, smtplib.SMTPException) as error:
                results = [Failure(f"{type(error).__name__}: {error}", lasting=False)] * len(mails)
            with self._database.begin() as tx:
                for (notice_id, _), failure in zip(mails, results, strict=True):
                    if failure is None:
                        mailing.sent(tx, notice_id)
                    else:
                        mailing.not_sent(tx, notice_id, failure)
        return {item.key: Again(LOOK_S, "for news") for item in items}

    def scan(self, tx: Tx) -> Sequence[str]:
        """The outbox, when something is in it."""
        return [KEY] if mailing.due(tx) else []

    def _claimed(self) -> list[tuple[int, EmailMessage]]:
        mails = []
        with self._database.begin() as tx:
            for notice in mailing.due(tx):
                if not mailing.claim(tx, notice.id):
                    continue
                account = accounts.fetch(tx, notice.account_id)
                if not letters.is_mailed(notice.kind):
                    mailing.sent(tx, notice.id)
                    continue
                try:
                    attachment = _paper(tx, notice, account)
                    mails.append(
                        (notice.id, letters.compose(notice, account, self._server.sender, attachment))
                    )
                except (ValueError, VolutusError) as error:
                    mailing.not_sent(tx, notice.id, Failure(str(error), lasting=True))
        return mails


def _paper(tx: Tx, notice: Notice, account: Account) -> Attachment | None:
    if notice.kind != "invoice":
        return None
    # Only here: drawing takes more memory than all the rest of a process.
    from volutus.billing.papers import invoice_pdf

    invoice = invoices.get(tx, CLOUD, int(notice.detail["number"]))
    seller = accounts.needed_region(tx).seller
    return Attachment(f"invoice-{invoice.number}.pdf", invoice_pdf.render(invoice, account, seller))


def _sent(server: smtplib.SMTP, mail: EmailMessage) -> Failure | None:
    try:
        server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        return Failure(f"refused: {error.recipients}", lasting=all(code >= 500 for code in codes))
    except smtplib.SMTPResponseException as error:
        return Failure(f"{error.smtp_code} {error.smtp_error!r}", lasting=error.smtp_code >= 500)
    except (OSError, smtplib.SMTPException) as error:
        return Failure(f"{type(error).__name__}: {error}", lasting=False)
    return None
