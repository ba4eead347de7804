from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from client import ClientError, Connected, ConnectError, connect, opening
from client.addresses import Addresses
from client.kept_audio import KEPT_LIMIT_S, UNSEEN_MS
from server import protocol
from server.addresses import Address
from server.peer import Finals, Port, Role
from tests.support.fake_server import STREAM_ID, FakeServer


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as fake:
        yield fake


def both(server: FakeServer) -> Addresses:
    return Addresses(server.control_url, server.audio_url)


async def test_both_ports_join_one_session(server: FakeServer) -> None:
    addresses = Addresses(server.control_url, None)  # the audio port comes from `connected`
    opened = connect(addresses, session="room", speaker="Nok", sample_rate_hz=48_000, channels=2)
    async with opened as connection:
        assert connection.connected.session_id == "room"
    assert connection.stream_ids == (STREAM_ID,)
    [request] = server.requests_of(protocol.AudioConfig)
    assert isinstance(request, protocol.AudioConfig)
    assert (request.sample_rate, request.channels) == (48_000, 2)
    [control], [audio] = server.addresses[Port.CONTROL], server.addresses[Port.AUDIO]
    assert (control.session, audio.session) == ("room", "room")
    assert (audio.speaker, audio.every_event) == ("Nok", True)


async def test_no_server_is_explained(server: FakeServer) -> None:
    gone = both(server)
    await server.close()
    with pytest.raises(ConnectError) as raised:
        async with connect(gone):
            pass
    assert "Make sure the server is running on ports" in str(raised.value)


async def test_a_refused_name_comes_with_the_server_s_reason(server: FakeServer) -> None:
    with pytest.raises(ConnectError, match="HTTP 400: session is 1 to 64 letters"):
        async with connect(both(server), session="two words"):
            pass


@pytest.mark.parametrize("port", list(Port))
async def test_the_address_of_either_port_is_enough(server: FakeServer, port: Port) -> None:
    async with connect(
        f"ws://localhost:{server.number(port)}", session="room", speaker="Nok"
    ) as asr:
        await asr.send(b"\1\2")
        await asr.end()
    assert server.audio == b"\1\2"
    [control], [audio] = server.addresses[Port.CONTROL], server.addresses[Port.AUDIO]
    assert (control.session, audio.session, audio.speaker) == ("room", "room", "Nok")


async def test_16_khz_mono_is_configured_without_a_word(server: FakeServer) -> None:
    async with connect(server.audio_url):
        [request] = server.requests_of(protocol.AudioConfig)
    assert isinstance(request, protocol.AudioConfig)
    assert (request.encoding, request.sample_rate, request.channels) == ("pcm16", 16_000, 1)


async def test_a_viewer_joins_as_one_and_asks_for_nothing(server: FakeServer) -> None:
    async with connect(server.audio_url, role="viewer", finals="revised") as asr:
        assert asr.connected.role == "viewer"
        with pytest.raises(ClientError, match="a viewer only listens"):
            await asr.send(b"\0\0")
    assert server.requests == []
    for port in Port:
        [address] = server.addresses[port]
        assert (address.role, address.finals) == (Role.VIEWER, Finals.REVISED)


async def test_the_token_goes_into_a_header_of_both_ports_and_into_no_address() -> None:
    seen: list[tuple[str, str | None]] = []

    async def answer(socket: ServerConnection) -> None:
        assert socket.request is not None
        seen.append((socket.request.path, socket.request.headers.get("Authorization")))
        await socket.send(protocol.encode(greeting))

    async with serve(answer, "localhost", 0) as listener:
        number = next(iter(listener.sockets)).getsockname()[1]
        async with FakeServer() as fake, fake_greeting(fake) as connected:
            greeting = replace(connected, audio_port=number, control_port=number)
        async with connect(f"ws://localhost:{number}", token="s3cret", role="viewer"):
            pass
    assert [header for _, header in seen] == ["Bearer s3cret"] * 2
    assert not any("s3cret" in path for path, _ in seen)


@asynccontextmanager
async def fake_greeting(server: FakeServer) -> AsyncIterator[Connected]:
    async with connect(server.control_url) as asr:
        yield asr.connected


async def test_a_port_that_does_not_greet_is_told() -> None:
    async def say_nothing(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(say_nothing, "localhost", 0) as listener:
        number = next(iter(listener.sockets)).getsockname()[1]
        with pytest.raises(ConnectError, match=r"did not greet in 0\.01 s"):
            async with connect(f"ws://localhost:{number}", greeting_limit_s=0.01):
                pass


async def test_a_port_of_another_kind_of_server_is_told() -> None:
    async def say_hello(socket: ServerConnection) -> None:
        await socket.send("hello")
        await socket.wait_closed()

    async with serve(say_hello, "localhost", 0) as listener:
        number = next(iter(listener.sockets)).getsockname()[1]
        with pytest.raises(ConnectError, match="not a port of this server"):
            async with connect(f"ws://localhost:{number}"):
                pass


@pytest.mark.parametrize(
    ("status", "may_pass"),
    [
        (HTTPStatus.UNAUTHORIZED, False),
        (HTTPStatus.TOO_MANY_REQUESTS, True),
        (HTTPStatus.SERVICE_UNAVAILABLE, True),
    ],
)
async def test_only_a_server_that_will_be_back_is_worth_another_try(
    status: HTTPStatus, may_pass: bool
) -> None:
    async def never(_: ServerConnection) -> None: ...

    def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(status, "no\n")

    async with serve(never, "localhost", 0, process_request=refuse) as listener:
        number = next(iter(listener.sockets)).getsockname()[1]
        with pytest.raises(ConnectError) as raised:
            async with connect(f"ws://localhost:{number}"):
                pass
    assert raised.value.may_pass is may_pass


@pytest.mark.parametrize(
    ("header", "wait_s"), [("7", 7.0), ("99999", 60.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0)]
)
async def test_a_server_that_is_full_says_when_to_come_again(header: str, wait_s: float) -> None:
    async def never(_: ServerConnection) -> None: ...

    def refuse(connection: ServerConnection, _: Request) -> Response:
        response = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no room for a speaker\n")
        response.headers["Retry-After"] = header
        return response

    async with serve(never, "localhost", 0, process_request=refuse) as listener:
        number = next(iter(listener.sockets)).getsockname()[1]
        with pytest.raises(ConnectError, match="HTTP 503: no room for a speaker") as raised:
            async with connect(f"ws://localhost:{number}"):
                pass
    assert raised.value.retry_after_s == wait_s


class ViewersOnly(FakeServer):
    """Takes every client for a viewer, as a server does whose token is one's."""

    def _connected(self, address: Address) -> Connected:
        return replace(super()._connected(address), role="viewer")


async def test_who_would_speak_with_a_viewer_s_token_is_told_before_any_audio() -> None:
    async with ViewersOnly() as server:
        with pytest.raises(ConnectError, match=r"only listens: use --viewer") as raised:
            async with connect(both(server)):
                pass
        assert not raised.value.may_pass
        assert server.requests == []
        async with connect(both(server), role="viewer") as viewer:
            assert viewer.connected.role == "viewer"


@pytest.mark.parametrize("status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND])
async def test_an_error_shows_the_address_without_its_query(status: HTTPStatus) -> None:
    async def never(_: ServerConnection) -> None: ...

    def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(status, "no\n")

    async with serve(never, "localhost", 0, process_request=refuse) as listener:
        number = next(iter(listener.sockets)).getsockname()[1]
        with pytest.raises(ConnectError, match=f"{number}/ answered HTTP") as raised:
            async with connect(f"ws://localhost:{number}/?token=s3cret", session="private"):
                pass
    assert "s3cret" not in str(raised.value)
    assert "private" not in str(raised.value)


class CloseCodes(FakeServer):
    """Remembers how its clients left."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[int | None] = []

    async def _serve(self, port: Port, socket: ServerConnection) -> None:
        await super()._serve(port, socket)
        async with self.arrived:
            self.codes.append(socket.close_code)
            self.arrived.notify_all()


async def test_a_client_that_fails_says_goodbye_like_any_other() -> None:
    async with CloseCodes() as server:
        with pytest.raises(ValueError, match="of the client"):
            async with connect(both(server)):
                raise ValueError("a failure of the client")
        await server.until(lambda: len(server.codes) == 2)
    assert server.codes == [1000, 1000]


async def test_a_dead_network_is_left_before_audio_must_be_dropped(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []
    real = opening.open_websocket  # type: ignore[attr-defined]

    def spying(url: str, **options: Any) -> Any:
        closing_s = 2 * options["close_timeout"]  # both ports
        limits.append(options["ping_interval"] + options["ping_timeout"] + closing_s)
        return real(url, **options)

    monkeypatch.setattr(opening, "open_websocket", spying)
    async with connect(both(server)):
        pass
    assert len(limits) == 2
    assert max(limits) < KEPT_LIMIT_S - UNSEEN_MS / 1000 - 10


async def test_a_proxy_that_is_none_is_explained_without_passwords(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "foo://u:secret@proxy")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(ConnectError, match=r"ws://asr\.invalid") as raised:
        async with connect("ws://user:secret@asr.invalid:1"):
            pass
    assert "secret" not in str(raised.value)


async def test_what_anything_else_answers_is_shown_in_part_and_without_control_characters() -> None:
    def refuse(socket: ServerConnection, request: Request) -> Response:
        return socket.respond(HTTPStatus.FORBIDDEN, "\x1b[2Jno" + "x" * 10_000)

    async def unused(socket: ServerConnection) -> None: ...

    async with serve(unused, "127.0.0.1", 0, process_request=refuse) as listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(ConnectError, match="HTTP 403") as raised:
            async with connect(f"ws://127.0.0.1:{port}"):
                pass
    assert "\x1b" not in str(raised.value)
    assert len(str(raised.value)) < 1_000
