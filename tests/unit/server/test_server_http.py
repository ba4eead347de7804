"""The page's policy and what plain HTTP is answered."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from server.handshake import Gate, Handshake, Refusal
from server.http import HttpDoor, Page
from server.peer import Port

HTML = """<!doctype html>
<html><head><style>
p { color: red }
</style><style media="print">p { color: black }</style></head>
<body><p>สวัสดี</p><script>
const greeting = "สวัสดี";
</script><script type="module">start()</script></body></html>
"""


def page(tmp_path: Path, text: str = HTML, newline: str = "\n") -> Page:
    path = tmp_path / "page.html"
    path.write_text(text, encoding="utf-8", newline=newline)
    return Page.load(path)


def source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def directives(policy: str) -> dict[str, list[str]]:
    parts = (part.split() for part in policy.split(";"))
    return {name: values for name, *values in parts}


def test_the_policy_allows_just_the_pages_own_script_and_style(tmp_path: Path) -> None:
    policy = directives(page(tmp_path).policy)
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == [
        source('\nconst greeting = "สวัสดี";\n'),
        source("start()"),
        "data:",
    ]
    assert policy["style-src"] == [source("\np { color: red }\n"), source("p { color: black }")]
    assert policy["connect-src"] == ["'self'", "ws:", "wss:"]
    assert policy["img-src"] == ["data:"]
    assert policy["media-src"] == ["blob:"]
    assert policy["frame-ancestors"] == ["'none'"]
    assert not any("unsafe" in value for values in policy.values() for value in values)


def test_the_hashes_are_those_of_the_page_as_it_is_sent(tmp_path: Path) -> None:
    """A browser hashes what it gets, with its line ends as LF."""
    windows = page(tmp_path, newline="\r\n")
    assert windows == page(tmp_path)
    assert b"\r" not in windows.body
    assert windows.body.decode() == HTML


def test_a_page_that_is_missing_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Page.load(tmp_path / "nowhere.html")


class FakeConnection:
    """Answers as a connection of websockets does."""

    remote_address = ("192.0.2.7", 50_000)
    admitted: Handshake | None = None

    def admit(self, handshake: Handshake) -> None:
        self.admitted = handshake

    def respond(self, status: HTTPStatus, text: str) -> Response:
        return Response(status.value, status.phrase, Headers(), text.encode())


async def answer(
    path: str,
    *,
    port: Port = Port.CONTROL,
    upgrade: str | None = None,
    unready: str = "",
    draining: bool = False,
) -> tuple[int, str] | None:
    shown = Page(b"<html>", "default-src 'none'")
    door = HttpDoor(port, shown, unready=lambda: unready, draining=lambda: draining)
    headers = Headers() if upgrade is None else Headers(Upgrade=upgrade)
    connection = FakeConnection()
    response = await door.process_request(connection, Request(path, headers))  # type: ignore[arg-type]
    return None if response is None else (response.status_code, response.body.decode())


@pytest.mark.asyncio
@pytest.mark.parametrize("port", Port)
@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket", "h2c, websocket"])
async def test_a_handshake_at_an_endpoint_goes_on(port: Port, upgrade: str) -> None:
    assert await answer("/ws/audio?session=a", port=port, upgrade=upgrade) is None


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "draining", "status", "says"),
    [
        ("/elsewhere", False, 404, "/ws/control"),
        ("//[", False, 404, "/ws/control"),
        ("/?role=admin", False, 400, "role is speaker or viewer"),
        ("/", True, 503, "shutting down"),
    ],
)
async def test_a_handshake_that_cannot_be_honoured(
    path: str, draining: bool, status: int, says: str
) -> None:
    answered = await answer(path, upgrade="websocket", draining=draining)
    assert answered is not None
    assert answered[0] == status
    assert says in answered[1]


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/", "/index.html", "/?session=a"])
async def test_the_page_is_on_the_control_port(path: str) -> None:
    assert await answer(path) == (200, "<html>")


@pytest.mark.asyncio
async def test_the_page_may_use_microphone_and_screen_and_is_shut_off_from_others() -> None:
    door = HttpDoor(
        Port.CONTROL,
        Page(b"<html>", "default-src 'none'"),
        unready=lambda: "",
        draining=lambda: False,
    )
    response = await door.process_request(FakeConnection(), Request("/", Headers()))  # type: ignore[arg-type]
    assert response is not None
    assert response.headers["Permissions-Policy"] == "microphone=(self), display-capture=(self)"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'"


@pytest.mark.asyncio
async def test_the_audio_port_says_what_it_is() -> None:
    answered = await answer("/", port=Port.AUDIO)
    assert answered is not None
    assert answered[0] == 426
    assert "audio port" in answered[1]


@pytest.mark.asyncio
@pytest.mark.parametrize("port", Port)
async def test_health(port: Port) -> None:
    assert await answer("/healthz", port=port, unready="degraded") == (200, "ok\n")
    assert await answer("/readyz", port=port) == (200, "ready\n")
    assert await answer("/readyz", port=port, unready="no model") == (503, "no model\n")
    assert await answer("/readyz", port=port, unready="draining") == (503, "draining\n")


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/favicon.ico", "/../etc/passwd", "/ws/control"])
async def test_nothing_else_is_served(path: str) -> None:
    answered = await answer(path)
    assert answered is not None
    assert answered[0] == 404


async def pass_gates(*gates: Gate) -> tuple[Response | None, FakeConnection, list[str]]:
    """What a handshake is answered, its connection, and the reasons that were counted."""
    reasons: list[str] = []
    door = HttpDoor(
        Port.AUDIO,
        Page(b"", ""),
        unready=lambda: "",
        draining=lambda: False,
        gates=gates,
        on_refused=reasons.append,
    )
    connection = FakeConnection()
    headers = Headers([("Upgrade", "websocket"), ("X-Name", "a"), ("x-name", "b")])
    request = Request("/?session=s", headers)
    response = await door.process_request(connection, request)  # type: ignore[arg-type]
    return response, connection, reasons


async def test_gates_see_the_handshake_and_the_connection_keeps_it() -> None:
    seen: list[Handshake] = []

    def gate(handshake: Handshake) -> Handshake:
        seen.append(handshake)
        return dataclasses.replace(handshake, remote="198.51.100.1")

    response, connection, reasons = await pass_gates(gate, gate)
    assert response is None
    assert [h.remote for h in seen] == ["192.0.2.7", "198.51.100.1"]
    assert seen[0].headers["x-name"] == "a, b"
    assert seen[0].address.session == "s"
    assert connection.admitted == seen[1]
    assert not reasons


async def test_the_first_gate_that_refuses_is_the_answer() -> None:
    def closed(_: Handshake) -> Refusal:
        retry = (("Retry-After", "5"),)
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "full", "come back later", retry)

    def unreached(_: Handshake) -> Handshake:
        raise AssertionError

    response, connection, reasons = await pass_gates(closed, unreached)
    assert response is not None
    assert (response.status_code, response.body) == (503, b"come back later\n")
    assert response.headers["Retry-After"] == "5"
    assert connection.admitted is None
    assert reasons == ["full"]
