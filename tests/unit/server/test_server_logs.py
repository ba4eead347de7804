from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from server.log_ids import LogIds
from server.logs import LogFormat, is_no_stranger, set_up_logging
from tests.support.access import access_file, base64url, by_header, by_subprotocol, token_of
from tests.support.running_server import Client, scripted_app, serving
from tests.support.speech import pcm16, utterances


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    """What a test sets up ends with it."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    library, server = logging.getLogger("websockets"), logging.getLogger("websockets.server")
    library_level = library.level
    yield
    for handler in [h for h in root.handlers if h not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    library.setLevel(library_level)
    server.removeFilter(is_no_stranger)


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_a_line_for_people_names_what_it_is_about(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    ids = LogIds()
    set_up_logging("info", str(path), ids=ids)
    with ids.about(remote="127.0.0.1"), ids.about(connection="a3", session=None):
        logging.getLogger("server.test").info("said %d words", 3)
    logging.getLogger("server.test").warning("of nobody")
    inside, outside = lines(path)
    assert inside.endswith("INFO    server.test [127.0.0.1 a3]: said 3 words")
    assert outside.endswith("WARNING server.test: of nobody")


def test_a_line_for_programs_is_one_object(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    ids = LogIds()
    set_up_logging("info", str(path), LogFormat.JSON, ids)
    try:
        with ids.about(connection="a3"):
            raise ValueError("ตัวอย่าง\nof two lines")
    except ValueError:
        with ids.about(request="r1"):
            logging.getLogger("server.test").exception("failed")
    (line,) = lines(path)
    said = json.loads(line)
    assert said.pop("time").endswith("Z")
    assert "of two lines" in said.pop("exception")
    assert said == {
        "level": "error",
        "logger": "server.test",
        "message": "failed",
        "request": "r1",
    }


@pytest.mark.parametrize("log_format", LogFormat)
def test_nobody_can_write_a_line_of_the_log(tmp_path: Path, log_format: LogFormat) -> None:
    """What clients choose, as a request's id, stands in the log."""
    path = tmp_path / "server.log"
    ids = LogIds()
    set_up_logging("info", str(path), log_format, ids)
    forged = "r1\n2026-01-01 00:00:00,000 ERROR   server.app: forged\r\x1b[2J\u2028\ud800\0"
    with ids.about(request=forged), ids.about(session="x" * 100_000):
        logging.getLogger("server.test").info("no model %s", forged)
    (line,) = path.read_text(encoding="utf-8").split("\n")[:-1]
    assert line.isprintable()
    assert "forged" in line
    assert len(line) < 500


def test_of_the_library_faults_of_the_server_are_logged(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    set_up_logging("debug", str(path))
    library = logging.getLogger("websockets.server")
    library.error("opening handshake failed", exc_info=True)
    library.info("connection open")
    library.error("connection handler failed", exc_info=True)
    said = lines(path)
    assert "connection handler failed" in said[0]
    assert not any("opening handshake" in line or "open" in line for line in said)


@pytest.mark.asyncio
async def test_programs_read_all_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every line is an object: what greets people, and refusals with their reasons."""
    ids = LogIds()
    set_up_logging("info", "", LogFormat.JSON, ids)
    changes = {"access_file": str(access_file(tmp_path)), "log_format": "json"}
    async with serving(scripted_app(tmp_path, changes=changes, log_ids=ids)) as server:
        with pytest.raises(InvalidStatus):
            async with server.control():
                pass
        async with server.control("?auth=message") as control:
            await control.send({"type": "authenticate", "token": "wrong-token-0123456789"})
            await control.until("error")
        _, writer = await asyncio.open_connection("127.0.0.1", server.app.ports.audio)
        writer.close()
        async with by_header(server.control_url, token_of("boss")) as asking:
            await until_counted(asking, "handshakes_failed_no_request")
        number = server.app.ports.control
    shown = capsys.readouterr()
    assert shown.out == ""
    said = [json.loads(line) for line in shown.err.splitlines()]
    (ready,) = [line for line in said if line["message"] == "ready"]
    assert ready["page"] == f"http://localhost:{number}/"
    reasons = [(line["reason"], line["remote"]) for line in said if "reason" in line]
    expected = ["no_token", "wrong_token", "no_request"]
    assert reasons == [(reason, "127.0.0.1") for reason in expected]


async def until_counted(control: Client, counter: str) -> None:
    """Ask until something has happened that no event tells of."""
    while True:
        answer = await control.ask({"type": "get_statistics"}, "statistics")
        if answer["counters"].get(counter):
            return


@pytest.mark.asyncio
async def test_tasks_know_what_they_were_begun_for() -> None:
    ids = LogIds()

    async def known() -> dict[str, str]:
        await asyncio.sleep(0)
        return dict(ids.current())

    with ids.about(connection="a1"):
        one = asyncio.create_task(known())
    with ids.about(connection="a2"):
        two = asyncio.create_task(known())
    assert [await one, await two] == [{"connection": "a1"}, {"connection": "a2"}]
    assert await known() == {}


class FullDisk:
    """A stream that takes nothing."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None: ...
    def close(self) -> None: ...
    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def tell(self) -> int:
        return 0


def test_a_full_disk_is_said_once_and_stops_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging("info", str(tmp_path / "server.log"))
    (handler,) = (h for h in logging.getLogger().handlers if isinstance(h, RotatingFileHandler))
    handler.setStream(FullDisk())  # type: ignore[arg-type]
    for number in range(3):
        logging.getLogger("server.test").info("line %d", number)
    err = capsys.readouterr().err
    assert err.count("the log file takes no more lines") == 1
    assert "No space left on device" in err
    assert err.count("line ") == 3, "the console has them"


@pytest.mark.asyncio
@pytest.mark.parametrize("log_format", LogFormat)
async def test_what_is_said_is_in_no_log(tmp_path: Path, log_format: LogFormat) -> None:
    path = tmp_path / "debug.log"
    ids = LogIds()
    set_up_logging("debug", str(path), log_format, ids)
    async with (
        serving(scripted_app(tmp_path, log_ids=ids)) as server,
        server.control("?session=s") as control,
        server.audio("?session=s") as audio,
    ):
        await audio.send(pcm16(utterances(1.0, 1.4)))
        await audio.ask({"type": "audio_end", "request_id": "r"}, "audio_end_ack")
        await control.send({"type": "update_config", "settings": {"glossary": "ความลับ"}})
        await control.until("config_updated")
    assert len(audio.texts()) == 2
    log = path.read_text(encoding="utf-8")
    partials = [e["text"] for e in control.events if e["type"] == "realtime_transcription"]
    for text in ("ความลับ", *audio.texts(), *filter(None, partials)):
        assert text not in log
    joined = [line for line in lines(path) if "joined" in line]
    assert len(joined) == 2
    assert all("s" in line and "127.0.0.1" in line for line in joined)


@pytest.mark.asyncio
@pytest.mark.parametrize("log_format", LogFormat)
async def test_no_token_is_in_any_log(tmp_path: Path, log_format: LogFormat) -> None:
    path = tmp_path / "debug.log"
    ids = LogIds()
    set_up_logging("debug", str(path), log_format, ids)
    changes = {"access_file": str(access_file(tmp_path))}
    wrong = "wrong-token-0123456789"
    async with serving(scripted_app(tmp_path, changes=changes, log_ids=ids)) as server:
        async with by_header(server.control_url, token_of("boss")) as control:
            await control.until("connected")
        async with by_subprotocol(server.audio_url, token_of("desk")) as audio:
            await audio.until("connected")
        for connect_with in (by_header, by_subprotocol):
            with pytest.raises(InvalidStatus):
                async with connect_with(server.audio_url, wrong):
                    pass
        with pytest.raises(InvalidStatus):
            async with server.control(f"?token={wrong}"):
                pass
        async with server.control("?auth=message&resume=new") as asked:
            await asked.send({"type": "authenticate", "token": token_of("court")})
            token = (await asked.until("connected"))["resume_token"]
    log = path.read_text(encoding="utf-8")
    assert "handshake refused (wrong_token) of 127.0.0.1" in log
    for text in (wrong, base64url(wrong), token):
        assert text not in log
    for name in ("boss", "desk", "court"):
        assert token_of(name) not in log
        assert base64url(token_of(name)) not in log
