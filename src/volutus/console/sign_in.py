"""Signing in with name and password (and a one-time code, for who uses one), and choosing a project."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from volutus.console.api import Api, ApiProblem, Document
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.sessions import Session
from volutus.console.visits import Visit, safe_path, see
from volutus.errors import Invalid

_TOKENS = "/identity/v3/auth/tokens"
DEFAULT_DOMAIN = "Default"
# Where the identity service posts the token of somebody who signed in by a provider.
RETURN_PATH = "/sign-in/token"


@dataclass(frozen=True)
class IdentityProvider:
    """Somebody else who says who people are; `label` is on the button, `path` where the browser goes."""

    label: str
    path: str

    @classmethod
    def listed(cls, text: str, origin: str) -> tuple["IdentityProvider", ...]:
        """From the setting: `PROVIDER/PROTOCOL/LABEL`, several separated by commas. Raises Invalid."""
        found = []
        for one in filter(None, map(str.strip, text.split(","))):
            provider, _separator, rest = one.partition("/")
            protocol, _separator, label = rest.partition("/")
            if not label:
                raise Invalid("sign_in_providers has PROVIDER/PROTOCOL/LABEL.", field="sign_in_providers")
            back = urlencode({"origin": f"{origin}{RETURN_PATH}"})
            place = f"identity_providers/{quote(provider)}/protocols/{quote(protocol)}"
            found.append(cls(label, f"/identity/v3/auth/OS-FEDERATION/{place}/websso?{back}"))
        return tuple(found)


def show(
    renderer: Renderer, visit: Visit, problem: ApiProblem | None, providers: tuple[IdentityProvider, ...]
) -> Response:
    """The form, with what was sent before but the secrets."""
    values: dict[str, Any] = {
        "user": visit.form.get("user", ""),
        "domain": visit.form.get("domain", DEFAULT_DOMAIN),
        "next": safe_path(visit.form.get("next") or visit.asked("next") or "/"),
        "project": visit.form.get("project", ""),
    }
    status = problem.status if problem else 200
    if problem and status == 401:
        # The API does not tell which of them is wrong, and its words are for programs.
        problem = ApiProblem(401, _("User, password, domain or code is wrong."), problem.request_id)
    shown: dict[str, Any] = {"values": values, "refusal": problem, "providers": providers}
    return renderer.page("sign_in.html", visit, status=status, **shown)


async def by_password(api: Api, form: dict[str, str]) -> Session:
    """A session of the user, in no project yet. Raises ApiProblem."""
    name = form.get("user", "").strip()
    user = {"name": name, "domain": {"name": form.get("domain", "").strip() or DEFAULT_DOMAIN}}
    identity: Document = {
        "methods": ["password"],
        "password": {"user": {**user, "password": form.get("password", "")}},
    }
    if code := form.get("code", "").strip():
        identity["methods"].append("totp")
        identity["totp"] = {"user": {**user, "passcode": code}}
    answer = await api.call("POST", _TOKENS, {"auth": {"identity": identity, "scope": "unscoped"}})
    return Session.begin(answer.headers["x-subject-token"], answer.body["token"])


async def by_token(api: Api, token: str) -> Session:
    """A session of a token that an identity provider's sign-in gave. Raises ApiProblem."""
    known = await api.call("GET", _TOKENS, subject=token)
    return Session.begin(token, known.body["token"])


async def into_project(api: Api, session: Session, name: str) -> Session:
    """The session in the named project, or in the only one there is; else as it was."""
    projects = await api.items("/identity/v3/auth/projects", "projects")
    fitting = [project for project in projects if not name.strip() or project["name"] == name.strip()]
    if len(fitting) != 1:
        return session
    return await _within(api, session, fitting[0])


def onwards(session: Session, form: dict[str, str]) -> Response:
    """To where the user was going, by way of the choice of a project if one is left to choose."""
    place = safe_path(form.get("next", "/"))
    return see(place) if session.project else see(f"/projects?{urlencode({'next': place})}")


def returning(place: str, request: Request) -> str:
    """A page to pass through on the way to the one asked for."""
    path = str(request.url.path)
    if request.url.query:
        path += f"?{request.url.query}"
    return place if path == "/" or request.method == "POST" else f"{place}?{urlencode({'next': path})}"


async def show_projects(renderer: Renderer, visit: Visit) -> Response:
    """The projects where the user has a role."""
    projects = await visit.api.items("/identity/v3/auth/projects", "projects")
    place = safe_path(visit.asked("next") or visit.sent("next") or "/")
    return renderer.page("projects.html", visit, projects=projects, next=place)


async def choose_project(_renderer: Renderer, visit: Visit) -> Response:
    """Go on in a project."""
    projects = await visit.api.items("/identity/v3/auth/projects", "projects")
    chosen = next((project for project in projects if project["id"] == visit.sent("project")), None)
    if chosen is None:
        raise ApiProblem(404, _("You have no role in that project."), "")
    visit.session = await _within(visit.api, visit.session, chosen)
    return see(safe_path(visit.sent("next")))


async def _within(api: Api, session: Session, project: Document) -> Session:
    identity = {"methods": ["token"], "token": {"id": session.token}}
    scope = {"project": {"id": project["id"]}}
    answer = await api.call("POST", _TOKENS, {"auth": {"identity": identity, "scope": scope}})
    roles = tuple(role["name"] for role in answer.body["token"].get("roles", ()))
    return session.within(answer.headers["x-subject-token"], project["name"], project["id"], roles)


PROJECTS = Page("/projects", show_projects, choose_project, without_project=True)
