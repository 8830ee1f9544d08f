"""Letters as a mail server gets them: in the account's language, once, and never with a password."""

import socket
import threading
from decimal import Decimal
from email import policy
from email.parser import BytesParser

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import text

from tests.billing.books import ADMIN
from volutus.billing import accounts, mailing, notices
from volutus.billing.accounts import AccountOrder
from volutus.billing.mail_reconciler import MailReconciler, MailServer
from volutus.billing.notices import Ordered
from volutus.billing.papers.words import catalogue
from volutus.reconcile import Worker


class Sink:
    """A mail server that keeps what it gets. Addresses at `nowhere` are refused for good, and everything is
    refused for now while it is busy."""

    def __init__(self):
        self.mails, self.busy, self.turn = [], False, threading.Lock()

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 aiosmtpd's name
        if address.endswith("@nowhere.example"):
            return "550 5.1.1 no such user"
        if self.busy:
            return "451 4.3.2 later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 aiosmtpd's name
        with self.turn:
            self.mails.append(BytesParser(policy=policy.default).parsebytes(envelope.content))
        return "250 taken"


@pytest.fixture
def sink():
    kept = Sink()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(kept, hostname="127.0.0.1", port=port)
    controller.start()
    kept.address = f"127.0.0.1:{port}"
    yield kept
    controller.stop()


@pytest.fixture
def post(opened, sink):
    """Sends what is due."""
    with opened.begin() as tx:
        for name, language in (("a", "en"), ("b", "zh")):
            order = AccountOrder(f"Firm {name}", name, language=language, contact=f"{name}@firm.example")
            accounts.create(tx, ADMIN, order)
    worker = Worker(opened, [MailReconciler(opened, MailServer(sink.address, "cloud@cloud.example"))])

    def send():
        worker.scan()
        worker.run_once()

    return send


def tell(database, account_id, kind, detail=None):
    with database.begin() as tx:
        notices.tell(tx, account_id, kind, tx.ids.hex(), detail)


def test_each_in_its_language_and_once(opened, sink, post, clock):
    for name in ("a", "b"):
        detail = {"funds": "1.23456789", "a_day": "0.50000000000000000000", "stop_after_s": "129600"}
        tell(opened, name, "out_of_money_soon", detail)
    for _ in range(3):
        post()
        clock.advance(3600)
    english, chinese = sink.mails
    assert (english["To"], english["Content-Language"]) == ("Firm a <a@firm.example>", "en")
    assert english["Subject"] == "Your balance is low"
    told = english.get_content()
    assert "You have ¥1.23 left and use ¥0.50 a day." in told
    assert "stopped: 36 hours from now" in told
    assert (chinese["Subject"], chinese["Content-Language"]) == ("您的余额不足", "zh")
    assert (
        "您还剩 ¥1.23，每天使用 ¥0.50。余额用完后服务器将被停止，最早在 36 小时之后。"
        in chinese.get_content()
    )
    assert english["Message-ID"].endswith("@cloud.example>") != chinese["Message-ID"]


def test_orders_are_confirmed(opened, sink, post):
    with opened.begin() as tx:
        order = Ordered(["1 GHz (cpu_mhz)", "20 GB (storage_gib:nvme)"], Decimal(45), 3)
        for name in ("a", "b"):
            notices.tell_orders(tx, accounts.fetch(tx, name), {f"o-{name}": order})
    post()
    english, chinese = (mail.get_content().replace("\r\n", "\n") for mail in sink.mails)
    assert sink.mails[0]["Subject"] == "Your order o-a"
    assert "1 GHz (CPU)\n20 GB (Storage nvme)\n\nPrice: ¥45.00\nTerm: 3 months" in english
    assert "1 GHz (处理器)\n20 GB (存储 nvme)\n\n价格：¥45.00\n期限：3 个月" in chinese


def test_a_busy_server_is_asked_again_and_a_refusal_is_final(opened, sink, post, clock):
    with opened.begin() as tx:
        order = AccountOrder("Gone", "gone", contact="x@nowhere.example")
        accounts.create(tx, ADMIN, order)
    tell(opened, "gone", "stop_servers")
    sink.busy = True
    tell(opened, "a", "stop_servers")
    post()
    assert sink.mails == []
    sink.busy = False
    clock.advance(61)
    post()
    assert [mail["To"] for mail in sink.mails] == ["Firm a <a@firm.example>"]
    with opened.begin() as tx:
        rows = tx.rows(text("SELECT status, attempts, why FROM billing_mail ORDER BY notice_id LIMIT 9"))
        assert [(row.status, row.attempts) for row in rows] == [("failed", 1), ("sent", 2)]
        assert "no such user" in rows[0].why


def test_no_server_at_all_loses_nothing(opened, sink, post, clock):
    tell(opened, "a", "stop_servers")
    away = MailReconciler(opened, MailServer("127.0.0.1:1", "cloud@cloud.example"))
    worker = Worker(opened, [away])
    worker.scan()
    worker.run_once()
    clock.advance(61)
    with opened.begin() as tx:
        assert len(mailing.due(tx)) == 1
    post()
    assert len(sink.mails) == 1


def test_old_news_and_accounts_without_a_contact_are_left_alone(opened, sink, post, clock):
    with opened.begin() as tx:
        accounts.create(tx, ADMIN, AccountOrder("Quiet", "quiet"))
    tell(opened, "quiet", "stop_servers")
    tell(opened, "a", "stop_servers")
    clock.advance(4 * 86400)
    post()
    assert sink.mails == []


def test_every_kind_has_a_letter_and_none_a_password(opened, sink, post):
    kinds = sorted({key.split(".")[1] for key in catalogue("en") if key.endswith(".subject")} - {"invoice"})
    for kind in kinds:
        tell(opened, "a", kind)
        tell(opened, "b", kind)
    post()
    assert len(sink.mails) == 2 * len(kinds)
    said = "".join(mail.get_content() for mail in sink.mails).lower()
    assert said.count("password") == 1, "no password is ever sent"
