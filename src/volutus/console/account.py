"""The user's own page: who is signed in, where, with which roles; a new password, one-time codes."""

import base64
import secrets
from urllib.parse import quote

from starlette.responses import Response

from volutus.console.api import ApiProblem, Document, together
from volutus.console.language import _
from volutus.console.records import ROOT as CREDENTIALS
from volutus.console.records import all_of
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import Cell, Facts, Field, Form, Row, Sheet, Table, hidden, moment
from volutus.console.visits import Visit, see

_TOTP = "totp"
# RFC 4226 recommends 160 bits.
_SECRET_BYTES = 20
# The more special first.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = ("Windows", "Android", "iPhone", "iPad", "Mac OS X", "Linux")


async def show(renderer: Renderer, visit: Visit) -> Response:
    """What the session has, and the user's other sessions."""
    session = visit.session
    sessions, codes = await together(
        all_of(visit.api, session.user_id),
        visit.api.items(CREDENTIALS, "credentials", user_id=session.user_id, type=_TOTP),
    )
    sheet = Sheet(
        title=_("Your account"),
        about="",
        facts=[
            Facts(
                _("Signed in"),
                [
                    (_("User"), Cell(session.user)),
                    (_("User's id"), Cell(session.user_id, code=True)),
                    (_("Project"), Cell(session.project, "/projects")),
                    (_("Roles"), Cell(", ".join(session.roles))),
                ],
            )
        ],
        tables=[
            Table(
                (_("Browser"), _("Address"), _("Since"), _("Until"), _("Which")),
                [_session_row(one, session.record) for one in sessions],
                _("Only here."),
                title=_("Where you are signed in"),
            )
        ],
        create=[_password_form(visit), _codes_form(visit, codes)],
        command="openstack user password set\nopenstack token revoke TOKEN\n"
        "openstack credential create --type totp USER SECRET\n"
        "openstack credential list --type console-session\nopenstack credential delete ID",
    )
    return renderer.sheet(visit, sheet)


async def act(renderer: Renderer, visit: Visit) -> Response:
    """Change the password, end a session, begin or end one-time codes."""
    wanted = visit.sent("act")
    if wanted == "end":
        await visit.records.end(visit.api, visit.sent("id"))
        return see("/account", "changed")
    if wanted == "codes":
        secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        visit.form["secret"] = secret
        return await show(renderer, visit)
    if wanted == "keep-codes":
        await _keep_codes(visit)
        return see("/account", "changed")
    if wanted == "no-codes":
        for key in visit.many.get("id", []):
            await visit.api.delete(f"{CREDENTIALS}/{key}")
        return see("/account", "changed")
    return await _change_password(visit)


async def _change_password(visit: Visit) -> Response:
    if visit.form.get("new", "") != visit.form.get("again", ""):
        raise ApiProblem(400, _("The new password and its repetition differ."), "")
    change = {"original_password": visit.form.get("old", ""), "password": visit.form.get("new", "")}
    path = f"/identity/v3/users/{visit.session.user_id}/password"
    try:
        await visit.api.post(path, {"user": change})
    except ApiProblem as problem:
        if problem.status != 401:
            raise
        # Of the form, not of the session.
        raise ApiProblem(400, _("The password now is not that one."), problem.request_id) from problem
    return see("/sign-in")


async def _keep_codes(visit: Visit) -> None:
    """Only with a code that the secret gives: a secret that no device has would lock its user out."""
    user_id, secret = visit.session.user_id, visit.sent("secret")
    order = {"type": _TOTP, "user_id": user_id, "blob": secret}
    made = (await visit.api.post(CREDENTIALS, {"credential": order}))["credential"]
    factor = {"user": {"id": user_id, "passcode": visit.sent("code").replace(" ", "")}}
    proof = {"identity": {"methods": [_TOTP], _TOTP: factor}, "scope": "unscoped"}
    try:
        await visit.api.post("/identity/v3/auth/tokens", {"auth": proof})
    except ApiProblem as problem:
        await visit.api.delete(f"{CREDENTIALS}/{made['id']}")
        raise ApiProblem(400, _("The code is not that of this secret."), problem.request_id) from problem


def _session_row(one: Document, here: str) -> Row:
    key, browser = str(one["id"]), _browser_name(str(one["browser"])) or _("unknown")
    cells = (
        Cell(browser, code=True),
        Cell(str(one["address"]), code=True),
        moment(str(one["began"])),
        moment(str(one["ends"])),
        Cell(_("this one") if key == here else ""),
    )
    if key == here:
        return Row(cells, key=key)
    return Row(cells, [Form("end", _("Sign out there"), hidden(id=key), direct=True)], key)


def _browser_name(agent: str) -> str:
    """What people call it, from what it calls itself: nearly all say that they are several others too."""
    name = next((name for mark, name in _BROWSERS if mark in agent), agent.partition("/")[0])
    system = next((system for system in _SYSTEMS if system in agent), "")
    return f"{name}, {system}" if system else name


def _password_form(visit: Visit) -> Form:
    fields = [
        Field("old", _("Password now"), "password"),
        Field("new", _("New password"), "password"),
        Field("again", _("New password once more"), "password"),
    ]
    ends = _("All sessions and tokens of %(name)s end, this one too.", name=visit.session.user)
    title = _("Change the password")
    opened = bool(visit.problem and visit.sent("old"))
    return Form("password", title, fields, title, about=ends, open=opened)


def _codes_form(visit: Visit, codes: list[Document]) -> Form:
    secret = visit.sent("secret")
    if secret:
        name = quote(f"Volutus:{visit.session.user}")
        address = f"otpauth://totp/{name}?secret={secret}&issuer=Volutus"
        fields = [
            Field("secret", _("Secret for your app"), value=secret, hint=address),
            Field("code", _("The code that it shows")),
        ]
        return Form("keep-codes", _("Use one-time codes"), fields, _("Use them"), open=True)
    if codes:
        fields = [Field("id", kind="hidden", value=str(one["id"])) for one in codes]
        lost = _("Codes of your app are no longer taken. Where they are required you can no longer sign in.")
        title = _("No longer use one-time codes")
        return Form("no-codes", title, fields, title, danger=lost)
    return Form("codes", _("Use one-time codes"), direct=True)


PAGE = Page("/account", show, act)
