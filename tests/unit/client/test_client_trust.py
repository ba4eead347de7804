"""What the client trusts, and what it says where it is not let in."""

from __future__ import annotations

import ssl
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from client import ConnectError, connect
from client.trust import refusal_hint, tls_hint, trusting
from tests.support.certificates import Authority


def test_no_file_is_the_systems_trust_and_a_bad_one_is_explained(tmp_path: Path) -> None:
    assert trusting(None) is None
    with pytest.raises(ConnectError, match="nowhere") as raised:
        trusting(tmp_path / "nowhere.pem")
    assert not raised.value.may_pass
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConnectError, match="no certificates to trust"):
        trusting(tmp_path / "ca.pem")


def test_a_file_is_trusted_beside_the_system(tmp_path: Path) -> None:
    context = trusting(Authority(tmp_path).write_ca())
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (HTTPStatus.UNAUTHORIZED, "THAI_ASR_TOKEN"),
        (HTTPStatus.FORBIDDEN, "does not let this client in"),
        (HTTPStatus.TOO_MANY_REQUESTS, "Wait"),
    ],
)
async def test_a_refusal_comes_with_advice(status: HTTPStatus, says: str) -> None:
    def refuse(socket: ServerConnection, request: Request) -> Response:
        return socket.respond(status, "because\n")

    async def unused(socket: ServerConnection) -> None: ...

    async with serve(unused, "127.0.0.1", 0, process_request=refuse) as listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(ConnectError, match="because") as raised:
            async with connect(f"ws://127.0.0.1:{port}", token="a-secret-token"):
                pass
    assert says in str(raised.value)
    assert "a-secret-token" not in str(raised.value)


def test_no_advice_where_there_is_none() -> None:
    for status in (404, 418, 500, 599, 299):
        assert refusal_hint(status) == ""
    assert tls_hint("ws://a", OSError("refused")) is None
    assert tls_hint("wss://a", OSError("refused")) is None


def test_tls_where_there_is_none_and_the_other_way_round() -> None:
    assert "ws://" in (tls_hint("wss://a", ssl.SSLError(1, "wrong version number")) or "")
    hint = tls_hint("ws://a", Exception("did not receive a valid HTTP response")) or ""
    assert "wss://" in hint
