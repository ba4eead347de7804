from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from server.doctor_network import ask_hub, check_hub, check_proxies, check_token
from server.findings import Level, line_of

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
DATE = {"Date": "Fri, 27 Nov 2026 12:01:00 GMT"}


def refuse(_: str) -> Mapping[str, str]:
    raise OSError("connection refused")


def test_a_hub_that_answers_is_well() -> None:
    (found,) = check_hub(False, "https://hub", lambda _: DATE, lambda: NOW)
    assert found.level is Level.OK


def test_a_hub_that_does_not_is_a_warning_since_the_built_in_model_works() -> None:
    (found,) = check_hub(False, "https://hub", refuse)
    assert found.level is Level.WARNING
    assert "connection refused" in found.detail
    assert "HF_ENDPOINT" in found.advice


def test_offline_nothing_is_asked() -> None:
    (found,) = check_hub(True, "https://hub", refuse)
    assert found.level is Level.NOTE


@pytest.mark.parametrize(
    ("headers", "levels"),
    [
        ({"date": "Fri, 27 Nov 2026 13:00:00 GMT"}, [Level.OK, Level.WARNING]),
        ({"date": "yesterday"}, [Level.OK]),
        ({}, [Level.OK]),
    ],
)
def test_a_clock_that_is_wrong_is_found_by_the_hubs(
    headers: Mapping[str, str], levels: list[Level]
) -> None:
    found = check_hub(False, "https://hub", lambda _: headers, lambda: NOW)
    assert [finding.level for finding in found] == levels


def test_a_token_is_never_shown() -> None:
    assert "hf_secret" not in repr(check_token(lambda: "hf_secret"))
    assert "present" in check_token(lambda: "hf_secret").detail
    assert "none" in check_token(lambda: None).detail


def test_proxies_are_shown_without_their_passwords() -> None:
    (found,) = check_proxies(lambda: {"https": "http://me:secret@proxy:3128"})
    assert line_of(found) == "proxies: https http://***@proxy:3128"
    assert check_proxies(dict) == []


@pytest.fixture
def hub() -> Iterator[str]:
    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(403)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_any_answer_of_the_hub_counts(hub: str) -> None:
    assert "date" in {name.lower() for name in ask_hub(hub)}


def test_a_hub_that_is_not_there_is_an_error_with_its_reason() -> None:
    with pytest.raises(OSError, match="refused"):
        ask_hub("http://127.0.0.1:9")
