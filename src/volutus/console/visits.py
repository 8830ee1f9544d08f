"""One request of a browser, as pages see it: who asks, what was sent, and the API on their behalf."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from volutus.console.api import Api, ApiProblem
from volutus.console.catalog import Reach
from volutus.console.language import _
from volutus.console.look import Look
from volutus.console.records import Records
from volutus.console.sessions import Session

# User data has 64 KiB at most, a public key far less.
FORM_MAX_BYTES = 256 << 10
FIELDS_MAX = 400


class Refused(Exception):
    """A form that we do not take: the text says what to do."""


@dataclass
class Visit:
    """`problem` is set while a page is shown again because what its form asked for was refused; `form` then
    has what was sent, so that nothing need be typed twice. `live_only` wants the part alone that changes by
    itself; `busy` says that it will soon."""

    request: Request
    api: Api
    session: Session
    look: Look
    records: Records
    reach: Reach
    form: dict[str, str] = field(default_factory=dict)
    many: dict[str, list[str]] = field(default_factory=dict)
    problem: ApiProblem | None = None
    live_only: bool = False
    busy: bool = False

    @property
    def path(self) -> str:
        return self.request.url.path

    @property
    def region(self) -> str:
        """The region looked at."""
        return self.session.region or self.reach.home

    def address(self, path: str) -> str:
        """Where programs find that path of the API: as the catalogue says, or where the browser is."""
        if self.api.is_far(path):
            return self.api.address(path)
        url = self.request.url
        return f"{url.scheme}://{url.netloc}{self.api.local_path(path)}"

    def param(self, name: str) -> str:
        """A named piece of the path."""
        return str(self.request.path_params[name])

    def asked(self, name: str) -> str:
        """A value of the query, empty if there is none."""
        return self.request.query_params.get(name, "").strip()

    def sent(self, name: str) -> str:
        """A field of the form, empty if there is none."""
        return self.form.get(name, "").strip()

    def chosen(self, *names: str) -> dict[str, str]:
        """Those of the form's fields that were filled in."""
        return {name: self.sent(name) for name in names if self.sent(name)}

    def number(self, name: str, label: str) -> int:
        """A field that is a whole number. Raises ApiProblem."""
        try:
            return int(self.sent(name))
        except ValueError as error:
            raise ApiProblem(400, _("%(label)s: give a whole number.", label=label), "") from error

    def with_query(self, **changed: str) -> str:
        """This page's address with other values; empty ones are left out."""
        values = {**self.request.query_params, **changed}
        values.pop("done", None)
        kept = {name: value for name, value in values.items() if value}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path


async def read_form(request: Request) -> dict[str, list[str]]:
    """The fields of a posted form. Raises Refused."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_MAX_BYTES:
            raise Refused(_("The form has more than %(most)s KiB; send less.", most=FORM_MAX_BYTES >> 10))
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise Refused(_("The form could not be read; load the page again.")) from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def last_values(fields: dict[str, list[str]]) -> dict[str, str]:
    """Of several values with one name the last."""
    return {name: values[-1] for name, values in fields.items()}


def require_same_origin(request: Request) -> None:
    """Browsers say where a form came from; another site's is refused. Raises Refused."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "")
    host = request.headers.get("host", "")
    if site not in ("same-origin", "none") or (origin and origin.partition("://")[2] != host):
        raise Refused(_("The form came from another site. Open the console itself and try there."))


def see(path: str, done: str = "") -> Response:
    """Go on to a page; `done` names what it should say was done."""
    target = f"{path}{'&' if '?' in path else '?'}done={done}" if done else path
    return RedirectResponse(target, HTTP_303_SEE_OTHER)


def safe_path(text: str) -> str:
    """A path of ours to go on to, or the overview: never another site."""
    good = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if good else "/"
