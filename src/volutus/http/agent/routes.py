"""The agents' calls by method and path, each with its permission."""

from volutus.http.agent import calls
from volutus.http.agent.trust import certificate_name, header_name
from volutus.http.kernel import Dialect, FaultTable, Route, openstack_fault

# What an agent sends of a console log at a time.
CONSOLE_MAX_BYTES = 256 << 10
# More than a password may have, so that it is told what is wrong with it.
PASSWORD_MAX_BYTES = 8 << 10


def dialect(*, trust_host_header: bool) -> Dialect:
    """The agent protocol; `trust_host_header` as in the settings."""
    routes = (
        Route("POST", "/enrol", calls.enrol, open=True),
        Route("GET", "/desired", calls.desired, "agent:desired", streams=True),
        Route("GET", "/disks/{disk_id}/key", calls.disk_key, "agent:disk_key", writes=True),
        Route("GET", "/exports/{export_id}/password", calls.export_password, "agent:export_password"),
        Route("POST", "/observed", calls.observed, "agent:observed", streams=True),
        Route("GET", "/images/{image_id}/file", calls.image_file, "agent:image", streams=True),
        Route("PUT", "/images/{image_id}/file", calls.send_image, "agent:send_image", streams=True),
        Route(
            "POST",
            "/guests/{guest_id}/console",
            calls.console,
            "agent:console",
            body_max_bytes=CONSOLE_MAX_BYTES,
        ),
        Route(
            "POST",
            "/guests/{guest_id}/password",
            calls.guest_password,
            "agent:guest_password",
            body_max_bytes=PASSWORD_MAX_BYTES,
        ),
        Route(
            "PUT",
            "/consoles/{session_id}/output",
            calls.console_output,
            "agent:remote_console",
            streams=True,
        ),
        Route(
            "GET", "/consoles/{session_id}/input", calls.console_input, "agent:remote_console", streams=True
        ),
        Route("PUT", "/reads/{session_id}", calls.disk_content, "agent:disk_content", streams=True),
    )
    credential = header_name if trust_host_header else certificate_name
    return Dialect("agent", ("/agent/v1",), routes, FaultTable(openstack_fault), credential=credential)
