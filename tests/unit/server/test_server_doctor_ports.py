from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from server.doctor_ports import ask_readiness, check_port, check_ports
from server.findings import Level
from server.peer import Port


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_free_port_is_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.getsockname()[1]
    assert check_port(Port.CONTROL, "localhost", number).level is Level.OK


def test_a_port_of_another_program_is_a_problem_with_its_owner(taken: int) -> None:
    found = check_port(Port.AUDIO, "localhost", taken, lambda *_: "hello")
    assert found.level is Level.PROBLEM
    assert "is taken by" in found.detail
    assert "--audio-port" in found.advice


@pytest.mark.parametrize("answer", ["ready\n", "no model loaded yet\n", "degraded: no text\n"])
def test_a_server_like_this_one_is_known_by_its_answer(taken: int, answer: str) -> None:
    found = check_port(Port.CONTROL, "localhost", taken, lambda *_: answer)
    assert found.level is Level.WARNING
    assert "already" in found.detail


def test_an_address_that_is_not_this_machines_is_a_problem() -> None:
    found = check_port(Port.CONTROL, "192.0.2.1", 0)
    assert found.level is Level.PROBLEM
    assert "--host" in found.advice


def test_one_number_for_both_ports_is_a_problem() -> None:
    (found,) = check_ports("localhost", 9001, 9001)
    assert found.level is Level.PROBLEM
    assert len(check_ports("localhost", 0, 0)) == 2


def test_what_answers_is_asked_over_http() -> None:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ready\n" if self.path == "/readyz" else b"no\n")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Ready) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        assert ask_readiness("127.0.0.1", server.server_port) == "ready\n"
        server.shutdown()
        thread.join()


def test_nothing_that_answers_is_an_empty_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.getsockname()[1]
    assert ask_readiness("127.0.0.1", number) == ""
