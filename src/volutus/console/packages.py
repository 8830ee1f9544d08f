"""A server paid for a term ahead: at the prices ahead, and what is left of the term comes back when it is
ended early."""

from volutus.console.api import Api, Document
from volutus.console.costs import BILLING
from volutus.console.language import _
from volutus.console.money import amount
from volutus.console.shapes import CHOICES_MAX, Field, Form, hidden, when
from volutus.console.visits import Visit

_ROOT = f"{BILLING}/packages"
_MONTHS = (1, 3, 6, 12, 24, 36)
ACTS = ("prepay", "end-term")


async def of_server(api: Api, server_id: str) -> Document | None:
    """The term that the server is paid for now."""
    found = await api.maybe(_ROOT, "packages", limit=CHOICES_MAX)
    return next((one for one in found if one["resource_id"] == server_id and one["status"] == "active"), None)


def form(visit: Visit, server: Document, term: Document | None) -> Form:
    """Pay ahead, or go back to paying by use."""
    name = str(server["name"])
    if term is None:
        terms = [(str(months), str(months)) for months in _MONTHS]
        fields = [
            Field("months", _("Months"), "select", visit.sent("months"), options=terms),
            Field("renew", _("Renew it at its end"), "checkbox", visit.sent("renew"), required=False),
        ]
        about = _("As large as it is now, at the prices ahead. End it early, and what is left comes back.")
        opened = bool(visit.problem and visit.sent("act") == "prepay")
        return Form(
            "prepay", _("Pay ahead"), fields, _("Pay %(name)s ahead", name=name), about=about, open=opened
        )
    about = _(
        "Paid until %(time)s with %(amount)s. What is left comes back; from now on use is charged.",
        time=when(term["ends_at"]),
        amount=amount(term["paid"]),
    )
    button = _("Pay %(name)s by use", name=name)
    return Form("end-term", _("Pay by use"), hidden(term=str(term["id"])), button, about=about)


async def act(visit: Visit, server_id: str) -> None:
    """Buy a term, or end one. Raises ApiProblem."""
    if visit.sent("act") == "end-term":
        await visit.api.post(f"{_ROOT}/{visit.sent('term')}/end", {})
        return
    order = {
        "resource_kind": "server",
        "resource_id": server_id,
        "months": visit.number("months", _("Months")),
        "auto_renew": visit.sent("renew") == "yes",
    }
    await visit.api.post(_ROOT, {"package": order})
