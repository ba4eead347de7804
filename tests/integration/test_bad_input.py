"""Wrong messages: each has its code, and the connection goes on."""

from __future__ import annotations

import asyncio
import base64
import struct
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from audio.types import AudioError
from audio.vad import EnergyDetector
from tests.support.running_server import Client, run_server
from tests.support.speech import pcm16, utterances

CONTROL: list[tuple[str | bytes, str]] = [
    ("{", "bad_json"),
    ("[1, 2]", "bad_message"),
    ('"text"', "bad_message"),
    ("{}", "bad_message"),
    ('{"type": 7}', "bad_message"),
    ('{"type": "make_tea"}', "unknown_type"),
    ('{"type": "load_model"}', "bad_message"),
    ('{"type": "load_model", "model_id": 7}', "bad_message"),
    ('{"type": "load_model", "model_id": "../../etc/passwd"}', "unknown_model"),
    ('{"type": "update_config"}', "bad_message"),
    ('{"type": "update_config", "settings": {"colour": "red"}}', "bad_setting"),
    ('{"type": "update_config", "settings": {"end_silence_ms": "long"}}', "bad_setting"),
    ('{"type": "update_config", "settings": {"end_silence_ms": 1e9}}', "bad_setting"),
    ('{"type": "update_config", "settings": {"control_port": 1}}', "not_live"),
    (b"\x00\x01", "binary_on_control"),
]

AUDIO: list[tuple[str | bytes, str]] = [
    ("not json", "bad_json"),
    ('{"type": "audio_chunk"}', "bad_message"),
    ('{"type": "audio_chunk", "data": 5}', "bad_message"),
    ('{"type": "audio_chunk", "data": "***"}', "bad_base64"),
    ('{"type": "audio_chunk", "data": "AAA"}', "bad_base64"),
    ('{"type": "start_recording"}', "unknown_type"),
    ('{"type": "audio_config", "sample_rate": 0}', "bad_sample_rate"),
    ('{"type": "audio_config", "sample_rate": -16000}', "bad_sample_rate"),
    ('{"type": "audio_config", "sample_rate": 96001}', "bad_sample_rate"),
    ('{"type": "audio_config", "sample_rate": "fast"}', "bad_message"),
    ('{"type": "audio_config", "channels": 9}', "bad_channels"),
    ('{"type": "audio_config", "channels": 0}', "bad_channels"),
    ('{"type": "audio_config", "encoding": "mp3"}', "bad_encoding"),
    ('{"type": "audio_config", "channel_mode": "left"}', "bad_encoding"),
]


async def test_every_wrong_message_has_its_code_and_the_connections_go_on(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        async with server.control() as control:
            for message, code in CONTROL:
                await control.send(message)
                assert (await control.until("error"))["code"] == code, message
            pong = await control.ask({"type": "ping", "request_id": "p"}, "pong")
            assert pong["request_id"] == "p"
        async with server.audio() as audio:
            for message, code in AUDIO:
                await audio.send(message)
                assert (await audio.until("error"))["code"] == code, message
            await still_works(audio)


async def still_works(audio: Client) -> None:
    await audio.send(pcm16(utterances(1.0)))
    assert (await audio.until("final_transcription"))["text"]


async def test_errors_echo_the_request_id(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control() as control:
        error = await control.ask({"type": "load_model", "request_id": "x1"}, "error")
        assert (error["code"], error["request_id"], error["fatal"]) == ("bad_message", "x1", False)


async def test_errors_of_viewers_and_of_audio_echo_the_request_id(tmp_path: Path) -> None:
    asked = {"type": "audio_chunk", "data": "AAAA", "request_id": "x1"}
    async with run_server(tmp_path) as server:
        async with server.audio("?role=viewer") as viewer:
            error = await viewer.ask(asked, "error")
            assert (error["code"], error["request_id"]) == ("forbidden", "x1")
            await viewer.send("not json")
            assert "request_id" not in await viewer.until("error")
        async with server.audio() as audio, server.control() as control:
            await control.ask({"type": "stop_recording"}, "recording_state")
            error = await audio.ask(asked, "error")
            assert (error["code"], error["request_id"]) == ("not_recording", "x1")
            await audio.send({**asked, "seq": 0})
            error = await audio.ask({**asked, "seq": 2, "request_id": "x2"}, "error")
            assert (error["code"], error["request_id"]) == ("audio_gap", "x2")


async def test_a_request_id_that_is_too_long_is_told_to_nobody(tmp_path: Path) -> None:
    change = {"type": "update_config", "settings": {"glossary": "กรุงเทพ"}}
    async with (
        run_server(tmp_path) as server,
        server.control() as control,
        server.control("?role=viewer") as other,
    ):
        error = await control.ask({**change, "request_id": "ก" * 10_000}, "error")
        assert error["code"] == "bad_message"
        assert "request_id" not in error
        answer = await control.ask({**change, "request_id": "ก" * 256}, "config_updated")
        assert answer["request_id"] == "ก" * 256
        assert (await other.until("config_updated"))["request_id"] == "ก" * 256
        assert [e["type"] for e in other.events] == ["connected", "config_updated"]


async def test_a_setting_that_there_is_not_is_not_echoed_whole(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control() as control:
        change = {"type": "update_config", "settings": {"x" * 100_000: 1}}
        error = await control.ask(change, "error")
        assert (error["code"], len(error["message"]) < 200) == ("bad_setting", True)


async def test_a_torn_sample_at_the_end_is_reported(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.audio() as audio:
        await audio.send(pcm16(utterances(1.0)) + b"\x01")
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        codes = [event["code"] for event in audio.events if event["type"] == "error"]
        assert codes == ["torn_sample"]
        assert len(audio.finals()) == 1
        await still_works(audio)


async def test_nan_and_infinity_are_reported_and_the_rest_is_heard(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.audio() as audio:
        await audio.ask({"type": "audio_config", "encoding": "float32"}, "audio_configured")
        broken = struct.pack("<4f", float("nan"), float("inf"), float("-inf"), 0.5)
        await audio.send(broken + utterances(1.0).astype("<f4").tobytes())
        assert (await audio.until("error"))["code"] == "non_finite_samples"
        assert (await audio.until("final_transcription"))["text"]


async def test_a_message_above_the_limit_closes_with_1009_and_hurts_nobody(
    tmp_path: Path,
) -> None:
    async with run_server(tmp_path) as server, server.audio("?session=b&events=all") as other:
        await other.send(pcm16(utterances(1.0))[:20_000])
        audio = Client(await connect(f"{server.audio_url}/?session=a"))
        data = base64.b64encode(b"\0" * 7_500_000).decode()
        await audio.send({"type": "audio_chunk", "data": data})
        with pytest.raises(ConnectionClosed) as closed:
            await audio.until("nothing")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        assert "1048576" in closed.value.rcvd.reason
        await other.send(pcm16(utterances(1.0))[20_000:])
        assert (await other.until("final_transcription"))["text"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/?session=a/b", 400),
        ("/?session=" + "x" * 65, 400),
        ("/?role=king", 400),
        ("/?events=some", 400),
    ],
)
async def test_a_wrong_address_is_refused_with_a_reason(
    tmp_path: Path, path: str, status: int
) -> None:
    async with run_server(tmp_path) as server:
        for url in (server.control_url, server.audio_url):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(url + path):
                    pass
            assert refused.value.response.status_code == status
            assert refused.value.response.body


async def test_proxied_paths_work_on_both_ports(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        for url in (server.control_url, server.audio_url):
            for path in ("/ws/control", "/ws/audio"):
                async with connect(f"{url}{path}?events=all") as socket:
                    assert '"type":"connected"' in str(await socket.recv())


async def test_plain_http(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        page = await http_get(server.app.ports.control, "/")
        assert page.startswith(b"HTTP/1.1 200")
        assert b"Content-Security-Policy: default-src 'none'" in page
        assert b"text/html" in page
        assert (await http_get(server.app.ports.control, "/healthz")).endswith(b"ok\n")
        assert (await http_get(server.app.ports.audio, "/readyz")).startswith(b"HTTP/1.1 200")
        assert (await http_get(server.app.ports.control, "/x")).startswith(b"HTTP/1.1 404")
        assert (await http_get(server.app.ports.audio, "/")).startswith(b"HTTP/1.1 426")


async def http_get(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


async def test_a_failing_voice_detector_is_a_fatal_error_and_not_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: EnergyDetector, _windows: object) -> None:
        raise AudioError("vad_failed", "the detector broke")

    async with run_server(tmp_path) as server, server.control() as control:
        await control.until("connected")
        audio = Client(await connect(f"{server.audio_url}/"))
        with monkeypatch.context() as broken:
            broken.setattr(EnergyDetector, "probabilities", fail)
            await audio.send(pcm16(utterances(1.0)))
            error = await audio.until("error")
        assert (error["code"], error["fatal"]) == ("vad_failed", True)
        assert (await control.until("error"))["code"] == "vad_failed"
        with pytest.raises(ConnectionClosed) as closed:
            await audio.until("nothing")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1011
        async with server.audio() as other:
            await still_works(other)
