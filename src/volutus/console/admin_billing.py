"""Accounts and price lists, for operators."""

from collections.abc import Mapping

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.costs import BILLING
from volutus.console.language import _
from volutus.console.money import (
    amount,
    kind_name,
    meter_name,
    mode_name,
    plain,
    standing_name,
    unit_name,
)
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import (
    CHOICES_MAX,
    PAGE_ROWS,
    Cell,
    Facts,
    Field,
    Form,
    Row,
    Sheet,
    Table,
    choices,
    moment,
    page_of,
)
from volutus.console.visits import Visit, see

_ROOT = f"{BILLING}/accounts"
_PROJECTS = "/identity/v3/projects"
_MODES = ("paying", "showback")
# Lines of the newest ledger that an account's page shows.
_LINES = 20
# No list has so many prices that its place among them needs more.
_DIGITS_MAX = 6


async def show_accounts(renderer: Renderer, visit: Visit) -> Response:
    """All accounts."""
    (accounts, more), projects = await together(
        page_of(visit, _ROOT, "accounts"), visit.api.items(_PROJECTS, "projects", limit=CHOICES_MAX)
    )
    names = dict(choices(projects))
    modes = [(mode, mode_name(mode)) for mode in _MODES]
    fields = [
        Field("name", _("Name"), value=visit.sent("name")),
        Field("mode", _("Kind"), "select", visit.sent("mode"), options=modes),
        Field("contact", _("Email"), "email", visit.sent("contact"), required=False),
    ]
    sheet = Sheet(
        title=_("Accounts"),
        about=_("Who pays. Each project begins with an account of its own; one can pay for several."),
        tables=[
            Table(
                (_("Name"), _("Kind"), _("Currency"), _("Credit limit"), _("Created")),
                [_account_row(one, names) for one in accounts],
                _("No account yet. One is made with the first charge of a project."),
                more=more,
            )
        ],
        create=[Form("create", _("Create an account"), fields, _("Create"), open=bool(visit.problem))],
        command="openstack billing account list",
    )
    return renderer.sheet(visit, sheet)


async def act_accounts(_renderer: Renderer, visit: Visit) -> Response:
    """Create one."""
    made = await visit.api.post(_ROOT, {"account": visit.chosen("name", "mode", "contact")})
    return see(f"/admin/accounts/{made['account']['id']}")


async def show_account(renderer: Renderer, visit: Visit) -> Response:
    """One account: its balance, its projects, its newest lines."""
    key = visit.param("id")
    found, lines, projects = await together(
        visit.api.get(f"{_ROOT}/{key}"),
        visit.api.items(f"{_ROOT}/{key}/ledger", "ledger", limit=_LINES),
        visit.api.items(_PROJECTS, "projects", limit=CHOICES_MAX),
    )
    account, names = found["account"], dict(choices(projects))
    # A project that nobody was named for pays by an account with its own id.
    paid = account["projects"] or [one for one in names if one == key]
    balance, currency = account["balance"], account["currency"]
    sheet = Sheet(
        title=names.get(account["name"], account["name"]),
        about="",
        facts=[
            Facts(
                _("Account"),
                [
                    (_("Balance"), Cell(amount(balance["balance"], currency))),
                    (_("Standing"), Cell(standing_name(balance["standing"]))),
                    (_("Kind"), Cell(mode_name(account["mode"]))),
                    (_("Credit limit"), Cell(amount(account["credit_limit"], currency))),
                    (
                        _("Projects"),
                        Cell(", ".join(names.get(one, one) for one in paid)),
                    ),
                    (_("Account's id"), Cell(key, code=True)),
                ],
            )
        ],
        tables=[
            Table(
                (_("When"), _("What"), _("Amount"), _("Balance after")),
                [_line_row(line) for line in lines],
                _("No entry yet."),
                title=_("Newest lines of the ledger"),
            )
        ],
        create=_account_forms(visit, account, names),
        command=f"openstack billing account pay --reference THEIRS {key} 50\n"
        f"openstack billing account set --credit-limit 100 {key}",
        crumb=("/admin/accounts", _("Accounts")),
    )
    return renderer.sheet(visit, sheet)


async def act_account(_renderer: Renderer, visit: Visit) -> Response:
    """Note a payment, give a credit, pay for a project, or change the account."""
    path, wanted = f"{_ROOT}/{visit.param('id')}", visit.sent("act")
    if wanted == "pay":
        payment = {"amount": visit.sent("amount"), "reference": visit.sent("reference")}
        await visit.api.post(f"{path}/payments", {"payment": payment})
    elif wanted == "credit":
        ends = f"{visit.sent('expires')}T00:00:00Z"
        credit = {"amount": visit.sent("amount"), "expires_at": ends, "note": visit.sent("note")}
        await visit.api.post(f"{path}/credits", {"credit": credit})
    elif wanted == "project":
        await visit.api.call("PUT", f"{path}/projects/{visit.sent('project')}")
    elif wanted == "change":
        await visit.api.patch(path, {"account": visit.chosen("name", "mode", "credit_limit")})
    return see(visit.path, "changed")


async def show_lists(renderer: Renderer, visit: Visit) -> Response:
    """The public price lists, and one of them whole."""
    lists = await visit.api.items(f"{BILLING}/price-lists", "price_lists")
    chosen = visit.asked("list") or (str(lists[0]["id"]) if lists else "")
    prices: list[Document] = []
    text = visit.form.get("edition", "")
    if chosen:
        prices = (await visit.api.get(f"{BILLING}/price-lists/{chosen}"))["price_list"]["prices"]
        # A new edition is usually the old one with a few changes.
        text = text or await visit.api.text(f"{BILLING}/price-lists/{chosen}/edition")
    edition = Field(
        "edition",
        _("The list, as TOML"),
        "area",
        text,
        _("It holds from the next five minutes on, or from when it says."),
    )
    asked = visit.asked("since")
    since = int(asked) if asked.isdecimal() and len(asked) <= _DIGITS_MAX else 0
    shown, left = prices[since : since + PAGE_ROWS], prices[since + PAGE_ROWS :]
    sheet = Sheet(
        title=_("Price lists"),
        about=_("A list is never changed: a new edition takes its place."),
        tables=[
            Table(
                (_("List"), _("Region"), _("Currency"), _("In force since")),
                [_list_row(one) for one in lists],
                _("No price list: nothing is charged. Publish one."),
            ),
            Table(
                (_("What"), _("Level"), _("Price"), _("Unit")),
                [_price_row(one) for one in shown],
                _("No prices."),
                title=chosen,
                more=visit.with_query(since=str(since + PAGE_ROWS)) if left else "",
            ),
        ],
        create=[Form("publish", _("Publish an edition"), [edition], _("Publish"), open=bool(visit.problem))],
        command="openstack price list\nopenstack price list publish list.toml",
    )
    return renderer.sheet(visit, sheet)


async def act_lists(_renderer: Renderer, visit: Visit) -> Response:
    """Publish an edition."""
    await visit.api.send(f"{BILLING}/price-lists", visit.form.get("edition", ""), "application/toml")
    return see("/admin/price-lists", "changed")


def _account_forms(visit: Visit, account: Document, projects: Mapping[str, str]) -> list[Form]:
    # A project's own account is called by the project's id until somebody names it.
    name = projects.get(account["name"], str(account["name"]))
    money = Field("amount", _("Amount"), "text", visit.sent("amount"), hint=account["currency"])
    modes = [(mode, mode_name(mode)) for mode in _MODES]
    reference = Field("reference", _("Reference"), hint=_("The same one again changes nothing."))
    return [
        Form("pay", _("Note a payment"), [money, reference], _("Note it")),
        Form(
            "credit",
            _("Give a credit"),
            [money, Field("expires", _("Ends on"), "date"), Field("note", _("Note"), required=False)],
            _("Give it"),
        ),
        Form(
            "project",
            _("Pay for a project"),
            [Field("project", _("Project"), "select", options=list(projects.items()))],
            _("Pay for it"),
        ),
        Form(
            "change",
            _("Change"),
            [
                Field("name", _("Name"), value=name),
                Field("mode", _("Kind"), "select", account["mode"], options=modes),
                Field("credit_limit", _("Credit limit"), value=plain(account["credit_limit"])),
            ],
            _("Change %(name)s", name=name),
        ),
    ]


def _account_row(one: Document, projects: Mapping[str, str]) -> Row:
    cells = (
        Cell(projects.get(one["name"], one["name"]), f"/admin/accounts/{one['id']}"),
        Cell(mode_name(one["mode"])),
        Cell(one["currency"]),
        Cell(amount(one["credit_limit"]), number=True),
        moment(one["created_at"]),
    )
    return Row(cells, key=one["id"])


def _line_row(line: Document) -> Row:
    cells = (
        moment(line["time"]),
        Cell(meter_name(line["meter"]) or kind_name(line["kind"])),
        Cell(amount(line["amount"], line["currency"]), number=True),
        Cell(amount(line["end"], line["currency"]), number=True),
    )
    return Row(cells)


def _list_row(one: Document) -> Row:
    cells = (
        Cell(one["id"], f"/admin/price-lists?list={one['id']}"),
        Cell(one["region"]),
        Cell(one["currency"]),
        moment(one["valid_from"]),
    )
    return Row(cells)


def _price_row(one: Document) -> Row:
    level = int(one["level"])
    levels = {0: _("ahead")}
    cells = (
        Cell(meter_name(one["meter"])),
        Cell(levels.get(level, str(level))),
        Cell(plain(one["price"]), number=True),
        Cell(unit_name(one["unit"])),
    )
    return Row(cells)


PAGES = (
    Page("/admin/accounts", show_accounts, act_accounts),
    Page("/admin/accounts/{id}", show_account, act_account),
    Page("/admin/price-lists", show_lists, act_lists),
)
