"""The agents' calls: enrol, poll, report, fetch and send images, send console output."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from msgspec.structs import replace
from starlette.responses import Response, StreamingResponse

from volutus import compute, image, placement, volume
from volutus.errors import Invalid, TooLarge
from volutus.http.agent.bell import HostBell
from volutus.http.agent.heartbeats import Heartbeats, says_nothing
from volutus.http.agent.onward import Onward, require_upgrade
from volutus.http.agent.trust import Authority
from volutus.http.kernel import HttpProblem, Request, StreamRequest, decode, document, whole_number
from volutus.http.kernel.plane import Plane
from volutus.http.meeting import DOWN, PIECE_BYTES, UP, Ends, connected, joined
from volutus.http.receiving import Reception, drain, receive
from volutus.http.sending import RangedResponse, Sendable
from volutus.identity import Caller
from volutus.placement.inventory import Overcommit
from volutus.rawdisk import PlainFile
from volutus.wire import Desired, Enrolled, Enrolment, Observed, Received

# A poll is answered empty after this long at most: middleboxes cut connections that say nothing for minutes.
WAIT_MAX_S = 60
# A full report of a host with a thousand guests.
REPORT_MAX_BYTES = 4 << 20


def enrol(request: Request) -> Response:
    """Join token and signing request to certificate."""
    asked = request.read(Enrolment)
    authority: Authority = request.plane.parts["authority"]
    host_id = placement.enrol(request.tx, asked.join_token, asked.hostname, request.plane.settings.zone)
    certificate = authority.sign(asked.csr_pem, host_id)
    return document(Enrolled(host_id=host_id, certificate_pem=certificate, ca_pem=authority.pem))


async def desired(request: StreamRequest) -> Response:
    """The host's document as soon as it is newer than what the host has seen."""
    seen, wait_s = _number(request, "seen"), min(_number(request, "wait"), WAIT_MAX_S)
    host_id = request.caller.user_name
    bell: HostBell = request.plane.parts["bell"]
    rung = bell.subscribe(host_id)
    deadline = asyncio.get_running_loop().time() + wait_s
    try:
        while True:
            rung.clear()
            answer = await asyncio.to_thread(_desired, request.plane, host_id, seen)
            at_once = answer.consoles or answer.commands or answer.reads
            if answer.assignments or answer.generation != seen or at_once:
                return document(answer)
            # A ring may be for a change we have read already, or only for the bell's new connection.
            try:
                async with asyncio.timeout_at(deadline):
                    await rung.wait()
            except TimeoutError:
                return document(answer)
    finally:
        bell.unsubscribe(host_id, rung)


async def observed(request: StreamRequest) -> Response:
    """Store a report; one that says nothing is noted with others."""
    body = await _whole(request)
    report = decode(body, Observed)
    if says_nothing(report):
        heartbeats: Heartbeats = request.plane.parts["heartbeats"]
        heartbeats.note(request.caller.user_name)
        return document(Received())
    return document(await asyncio.to_thread(_store, request, report))


def disk_key(request: Request) -> Response:
    """The key of an encrypted disk of this host."""
    sealer: volume.keys.Sealer = request.plane.parts["volume_keys"]
    key = volume.keys.of_disk(request.tx, sealer, request.caller.user_name, request.params["disk_id"])
    return Response(key, media_type="application/octet-stream")


def export_password(request: Request) -> Response:
    """The password with which initiators log in to an export of this host."""
    sealer: volume.keys.Sealer = request.plane.parts["volume_keys"]
    host_id, export_id = request.caller.user_name, request.params["export_id"]
    password = volume.exports.password_of(request.tx, sealer, host_id, export_id)
    return Response(password, media_type="application/octet-stream")


async def image_file(request: StreamRequest) -> Response:
    """An image's bytes, for the cache of a host that was told of a disk or a guest made from it."""
    image_id = request.params["image_id"]
    path, size_bytes = await asyncio.to_thread(_image_file, request, image_id)
    return RangedResponse(Sendable(size_bytes, image_id, partial(PlainFile, path)), request.headers)


async def send_image(request: StreamRequest) -> Response:
    """The bytes of an image, from the host that was told to send them. Sent again after the answer was lost,
    they are taken as what is there."""
    image_id = request.params["image_id"]
    caller = await asyncio.to_thread(_sender, request, image_id)
    if caller is None:
        await drain(request)
    else:
        await receive(request, Reception(image_id, caller, again=True))
        await asyncio.to_thread(_arrived, request, image_id)
    return document({})


def console(request: Request) -> Response:
    """Console output of a guest of this host; the answer says from where to send next."""
    offset = _number(request, "offset")
    have = compute.console.append(
        request.tx, request.caller.user_name, request.params["guest_id"], offset, request.body
    )
    return document({"offset": have})


def guest_password(request: Request) -> Response:
    """Keep the password that a guest of this host tells, or only answer what it told before."""
    host_id, guest_id = request.caller.user_name, request.params["guest_id"]
    kept = compute.guest_passwords.told(request.tx, host_id, guest_id, request.body)
    return Response(kept, media_type="application/octet-stream")


async def console_output(request: StreamRequest) -> Response:
    """What a guest's console says, as long as somebody looks."""
    session_id = await asyncio.to_thread(_session, request)
    async with joined(request.plane.settings.run_dir, session_id, UP) as (_, writer):
        with contextlib.suppress(ConnectionError, HttpProblem):
            async for chunk in request.chunks:
                writer.write(chunk)
                await writer.drain()
    return document({})


async def console_input(request: StreamRequest) -> Response:
    """What is typed at a guest's console, as long as somebody does."""
    session_id = await asyncio.to_thread(_session, request)
    held = contextlib.AsyncExitStack()
    ends = await held.enter_async_context(joined(request.plane.settings.run_dir, session_id, DOWN))
    return StreamingResponse(_typed(held, ends), media_type="application/octet-stream")


async def disk_content(request: StreamRequest) -> Response:
    """A disk's bytes, as long as somebody downloads it: on this connection, which is HTTP no more."""
    require_upgrade(request.headers)
    session_id = await asyncio.to_thread(_read_session, request)
    return Onward(connected(request.plane.settings.run_dir, session_id, UP))


async def _typed(held: contextlib.AsyncExitStack, ends: Ends) -> AsyncIterator[bytes]:
    async with held:
        while data := await ends[0].read(PIECE_BYTES):
            yield data


def _session(request: StreamRequest) -> str:
    session_id = request.params["session_id"]
    with request.plane.database.read(request.request_id) as tx:
        compute.remote_consoles.check_host(tx, request.caller.user_name, session_id)
    return session_id


def _read_session(request: StreamRequest) -> str:
    session_id = request.params["session_id"]
    with request.plane.database.read(request.request_id) as tx:
        volume.reads.check_host(tx, request.caller.user_name, session_id)
    return session_id


async def _whole(request: StreamRequest) -> bytes:
    body = bytearray()
    async for chunk in request.chunks:
        body += chunk
        if len(body) > REPORT_MAX_BYTES:
            raise TooLarge(f"The report is over {REPORT_MAX_BYTES} bytes.")
    return bytes(body)


def _store(request: StreamRequest, report: Observed) -> Received:
    settings = request.plane.settings
    overcommit = Overcommit(settings.mhz_overcommit, settings.memory_overcommit)
    with request.plane.database.begin(request.request_id) as tx:
        return compute.report(tx, request.caller.user_name, report, overcommit)


def _desired(plane: Plane, host_id: str, seen: int) -> Desired:
    # That the host was heard is noted with its reports, which come more often than polls end.
    with plane.database.read() as tx:
        rung = placement.was_rung(tx, host_id)
        known = placement.desired(tx, host_id, seen)
        if not rung:
            return known
        return replace(
            known,
            consoles=compute.remote_consoles.take_requests(tx, host_id),
            commands=compute.guest_commands.take(tx, host_id, functools.partial(_unsealed, plane)),
            reads=volume.reads.take(tx, host_id),
        )


def _unsealed(plane: Plane, sealed: str) -> str:
    """A secret on its way to a host; one that no key opens any more sets nothing."""
    found = plane.parts["identity"].token_keys.open(sealed)
    return found.decode() if found else ""


def _image_file(request: StreamRequest, image_id: str) -> tuple[Path, int]:
    with request.plane.database.read(request.request_id) as tx:
        placement.require_named_image(tx, request.caller.user_name, image_id)
        path = image.file_path(tx, request.plane.parts["images"], image_id)
    return path, path.stat().st_size


def _sender(request: StreamRequest, image_id: str) -> Caller | None:
    """None when the image has its bytes already."""
    with request.plane.database.read(request.request_id) as tx:
        caller = volume.uploads.sender(tx, request.caller.user_name, image_id)
        there = image.status_of(tx, image_id) in ("active", "deactivated")
        return None if there else caller


def _arrived(request: StreamRequest, image_id: str) -> None:
    with request.plane.database.begin(request.request_id) as tx:
        volume.uploads.arrived(tx, image_id)


def _number(request: Request | StreamRequest, name: str) -> int:
    number = whole_number(request.query.get(name, "0"))
    if number is None:
        raise Invalid(f"{name} must be a whole number.", field=name)
    return number
