"""The user's own page: who is signed in, with which roles, and a new password."""

from starlette.responses import Response

from volutus.console.api import ApiProblem
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import Cell, Facts, Field, Form, Sheet
from volutus.console.visits import Visit, see


async def show(renderer: Renderer, visit: Visit) -> Response:
    """What the session has."""
    session = visit.session
    fields = [
        Field("old", _("Password now"), "password"),
        Field("new", _("New password"), "password"),
        Field("again", _("New password once more"), "password"),
    ]
    lost = _("All sessions and tokens of %(name)s end, this one too.", name=session.user)
    sheet = Sheet(
        title=_("Your account"),
        about=_("A new password ends every session that there is, wherever it was begun."),
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
        create=[
            Form(
                "password",
                _("Change the password"),
                fields,
                _("Change the password"),
                lost,
                open=bool(visit.problem),
            )
        ],
        command="openstack user password set\nopenstack token revoke TOKEN",
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Change the password; the session ends with it."""
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


PAGE = Page("/account", show, act)
