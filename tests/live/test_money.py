"""From a price to a paid invoice, as a tenant and an operator type it, on a cloud that runs.

Cycles are five minutes: the cloud's clock is put ahead over two of them, which to it is as if it had been
away for so long.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from tests.api.billing.test_client import plugin
from tests.billing.stripe_stand_in import ASKS_THE_BANK, KEY
from tests.live.machine import CLIENT, Machine
from tests.printed import documents
from tests.rules.sources import ROOT

__all__ = ["plugin"]
pytestmark = pytest.mark.live
SECRET = "whsec_live"
ORIGIN = "http://127.0.0.1:8780"
# A month of half a GHz ahead, by the list that a cloud begins with: 0.5 × 720 h × $0.0036.
AHEAD = Decimal("1.296")
CYCLE_S = 300
# Two cycles, and what a cycle is given to settle.
AWAY_S = 2 * CYCLE_S + 70
# A cloud charges from the first cycle on that begins after it was made: that is to be so soon.
BEGINS_IN_S = 60
# A server is charged until its host was heard last, which is noted every few seconds.
RUNS_S = 15
WITHIN_S = 60.0


@pytest.fixture
def ahead_s() -> int:
    """How far the cloud's clock is before the machine's, for a cycle to begin soon."""
    return int(CYCLE_S - BEGINS_IN_S - time.time() % CYCLE_S) % CYCLE_S


@pytest.fixture
def provider(machine: Machine, ahead_s: int) -> Iterator[str]:
    """The address of the payment provider, on the cloud's machine."""
    where = ["nsenter", f"--net=/proc/{machine.holder.pid}/ns/net", sys.executable, "-m"]
    command = [*where, "tests.live.payment_provider", ORIGIN, SECRET, str(ahead_s)]
    program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    yield program.stdout.readline().strip()
    program.kill()
    program.wait()


class Client:
    """The stock client with the plugin: many commands by one process; the documents they print, and all that
    is said."""

    def __init__(self, machine: Machine, plugin: Path, cloud: str) -> None:
        self.machine, self.cloud = machine, cloud
        self.environment = f"PYTHONPATH={plugin} OS_CLIENT_CONFIG_FILE={machine.state_dir}/clouds.yaml"

    def __call__(self, *commands: str) -> tuple[list[Any], str]:
        lines = "\n".join([*commands, "quit"])
        words = f"{self.environment} OS_CLOUD={self.cloud} {CLIENT} 2>&1 <<'END' || true\n{lines}\nEND\n"
        said = self.machine.shell(words)
        return list(documents(said)), said

    def until(self, command: str, name: str) -> Any:
        """What a field says once it says something."""
        deadline = time.monotonic() + WITHIN_S
        while True:
            (shown,), said = self(f"{command} -f json")
            if shown.get(name):
                return shown[name]
            assert time.monotonic() < deadline, said


def up(machine: Machine, **settings: object) -> None:
    """Start the cloud with these settings, and only these."""
    machine.state_dir.mkdir(exist_ok=True)
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
    (machine.state_dir / "volutus.toml").write_text("".join(lines))
    machine.volutus("up", "--detach")


def page(paper: Path) -> str:
    """The text of a paper's first page, of which a picture is left beside it."""
    document = pypdfium2.PdfDocument(paper)
    document[0].render(scale=2.0).to_pil().save(paper.with_suffix(".png"))
    text = str(document[0].get_textpage().get_text_range())
    document.close()
    return text


def pay(machine: Machine, client: Client, amount: str) -> None:
    """By card, with the redirect to the bank; the money is there before the page after it is."""
    (payment,), _ = client(f"payment create {amount} -f json")
    url = client.until(f"payment show {payment['id']}", "url")
    send = ["curl", "-s", "--noproxy", "*", "-w", "%{redirect_url}", "-d"]
    asks = machine.run(*send, f"card={ASKS_THE_BANK}", url)
    assert "/secure/" in asks
    back = machine.run(*send, "answer=yes", asks)
    assert back.startswith(ORIGIN)


def test_from_a_quote_to_an_invoice(
    machine: Machine,
    ahead_s: int,
    provider: str,
    plugin: Path,
    tmp_path: Path,
) -> None:
    ways = {"stripe_secret_key": KEY, "stripe_event_secret": SECRET, "stripe_url": provider}
    begins = time.time() + BEGINS_IN_S
    up(machine, **ways, clock_ahead_s=ahead_s)
    tenant, operator = Client(machine, plugin, "volutus"), Client(machine, plugin, "volutus-admin")
    order = "server create --image micro --flavor c1 --network private --wait one -f json"
    (balance, quote), _ = tenant("balance show -f json", "price quote --flavor c1 -f json")
    account = balance["account_id"]
    operator("billing region set --mode paying", f"billing account set {account} --mode paying --name Demo")
    (_, refused) = tenant(order)
    assert "402" in refused
    assert "The account lacks 0." in refused

    pay(machine, tenant, "100")
    time.sleep(max(begins - time.time(), 0))
    (server, (bought,)), said = tenant(order, "subscription create cpu_mhz=500 -f json")
    assert server["status"] == "ACTIVE", said
    assert Decimal(bought["Paid"]) == AHEAD

    time.sleep(RUNS_S)
    machine.volutus("down")
    up(machine, **ways, clock_ahead_s=ahead_s + AWAY_S)
    lines = two_cycles(tenant)
    used = [line["Reason"] for line in lines if line["Kind"] == "usage"]
    assert any("GHz of CPU" in reason for reason in used), used
    (balance,), _ = tenant("balance show -f json")
    assert sum(Decimal(line["Amount"]) for line in lines) == Decimal(balance["balance"])
    audited = machine.volutus("billing", "audit")
    assert audited.endswith(" 0 differences\n"), audited

    charged = -sum(Decimal(line["Amount"]) for line in lines if line["Kind"] != "payment")
    rated = {line["Billing cycle"] for line in lines if line["Kind"] == "usage"}
    since, until = (datetime.fromtimestamp(cycle * 300, UTC) for cycle in (min(rated) - 12, max(rated) + 1))
    period = f"--since {since:%Y-%m-%dT%H:%M:%SZ} --until {until:%Y-%m-%dT%H:%M:%SZ}"
    (invoice,), said = operator(f"billing invoice create {account} {period} -f json")
    assert Decimal(invoice["gross"]) == charged, said
    paper_says(operator, tenant, account, charged, tmp_path)
    assert Decimal(quote["total"]) > charged - AHEAD > 0


def two_cycles(tenant: Client) -> list[dict[str, str]]:
    """The account's lines once two cycles with the server are charged."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        (lines,), said = tenant("ledger list --limit 1000 -f json")
        if sum("of storage" in line["Reason"] for line in lines) >= 2:
            return list(lines)
        assert time.monotonic() < deadline, said


def paper_says(operator: Client, tenant: Client, account: str, charged: Decimal, directory: Path) -> None:
    """The first invoice of all, in both languages."""
    for language, title in (("en", "Invoice"), ("zh", "账单")):
        paper = directory / f"{language}.pdf"
        operator(f"billing account set {account} --language {language} -f json")
        tenant(f"invoice save 1 --file {paper}")
        text = page(paper)
        assert title in text
        assert f"${charged:.2f}" in text, text
