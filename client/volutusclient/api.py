"""`/billing/v1` over a session of keystoneauth: documents in, documents out."""

from typing import Any

from keystoneauth1.session import Session
from osc_lib import exceptions

SERVICE_TYPE = "billing"


class Billing:
    """Answers the parsed body. A refusal is raised as the client's own exception, in the service's words."""

    def __init__(self, session: Session, region: str | None, interface: str | None) -> None:
        self._session = session
        self._filter = {"service_type": SERVICE_TYPE, "region_name": region, "interface": interface}

    def get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", path, params=_given(query)).json()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """The body of the answer, None where it has none."""
        answer = self._ask(method, path, json=body)
        return answer.json() if answer.content else None

    def post(self, path: str, body: Any) -> Any:
        return self.send("POST", path, body)

    def download(self, path: str, media_type: str) -> bytes:
        """A paper as it is."""
        content: bytes = self._ask("GET", path, headers={"Accept": media_type}).content
        return content

    def upload(self, path: str, content: bytes, media_type: str) -> Any:
        """Send a file."""
        return self._ask("POST", path, data=content, headers={"Content-Type": media_type}).json()

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        answer = self._session.request(path, method, endpoint_filter=self._filter, raise_exc=False, **more)
        if answer.status_code >= 400:
            raise _refused(answer)
        return answer


def _refused(answer: Any) -> exceptions.CommandError:
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return exceptions.CommandError(f"The billing service answered {answer.status_code}.")
    missing = f" Missing: {error['missing']} {error['currency']}." if "missing" in error else ""
    return exceptions.CommandError(f"{error['message']}{missing} (HTTP {answer.status_code})")


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}
