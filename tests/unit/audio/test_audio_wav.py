"""The WAV scanner: formats, chunks, sizes, any cut."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from audio.types import AudioFormat, Encoding
from audio.wav import WavAudio, WavEnd, WavFault, WavFormat, WavPart, WavScanner
from tests.support.audio_signals import (
    ALAW,
    EXTENSIBLE,
    FLOAT,
    MULAW,
    PCM,
    chunk,
    fmt_chunk,
    pieces,
    wav_bytes,
)

BODY = bytes(range(1, 101))
UNKNOWN = 0xFFFF_FFFF


def scan(data: bytes, size: int | None = None) -> list[WavPart]:
    """All parts of a stream cut into pieces, adjacent audio joined, flushed at the end."""
    scanner = WavScanner()
    parts: list[WavPart] = []
    for piece in pieces(data, size or max(len(data), 1)):
        parts += scanner.push(piece)
    return joined([*parts, *scanner.flush()])


def joined(parts: Iterable[WavPart]) -> list[WavPart]:
    out: list[WavPart] = []
    for part in parts:
        if isinstance(part, WavAudio) and out and isinstance(out[-1], WavAudio):
            out[-1] = WavAudio(out[-1].data + part.data)
        else:
            out.append(part)
    return out


def heard(encoding: Encoding, rate_hz: int = 16_000, channels: int = 1) -> WavFormat:
    return WavFormat(AudioFormat(encoding, rate_hz, channels))


def faults(parts: list[WavPart]) -> list[str]:
    return [part.code for part in parts if isinstance(part, WavFault)]


@pytest.mark.parametrize(
    ("tag", "bits", "encoding"),
    [
        (PCM, 16, Encoding.PCM16),
        (FLOAT, 32, Encoding.FLOAT32),
        (ALAW, 8, Encoding.ALAW),
        (MULAW, 8, Encoding.MULAW),
        (EXTENSIBLE, 16, Encoding.PCM16),
    ],
)
def test_the_formats_we_take(tag: int, bits: int, encoding: Encoding) -> None:
    data = wav_bytes(BODY, format_tag=tag, bits=bits, rate_hz=44_100, channels=2)
    assert scan(data) == [heard(encoding, 44_100, 2), WavAudio(BODY), WavEnd()]


BAD_FILES = {
    "pcm_24_bits": wav_bytes(BODY, bits=24),
    "pcm_8_bits": wav_bytes(BODY, bits=8),
    "float_64_bits": wav_bytes(BODY, format_tag=FLOAT, bits=64),
    "mp3": wav_bytes(BODY, format_tag=0x55, bits=16),
    "extensible_24_bits": wav_bytes(BODY, format_tag=EXTENSIBLE, bits=24),
    "six_channels": wav_bytes(BODY, channels=6),
    "rate": wav_bytes(BODY, rate_hz=192_000),
    "no_fmt": wav_bytes(BODY).replace(b"fmt ", b"junk"),
    "short_fmt": wav_bytes(BODY).replace(b"fmt \x10", b"fmt \x08"),
    "long_fmt": chunk(b"RIFF", b"WAVE" + chunk(b"fmt ", bytes(100_000)) + chunk(b"data", BODY)),
    "damaged": wav_bytes(BODY, before_data=b"\x00\xff\x01\x02\x04\x00\x00\x00"),
    "cut_in_fmt": wav_bytes(BODY)[:30],
    "cut_before_data": wav_bytes(BODY)[:36],
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("size", [None, 1])
def test_a_bad_file_is_one_fault_and_no_audio(name: str, size: int | None) -> None:
    parts = scan(BAD_FILES[name], size)
    assert faults(parts) == ["bad_wav"]
    assert not any(isinstance(part, WavAudio) for part in parts)


STREAMS = {
    "raw": BODY,
    "raw_that_begins_like_riff": b"RIFF" + BODY,
    "raw_that_stops_like_riff": b"RIFF\x01\x02\x03\x04WAV",
    "raw_with_a_file_inside": BODY + wav_bytes(BODY),
    "empty": b"",
    "file": wav_bytes(BODY),
    "list_and_fact": wav_bytes(BODY, before_data=chunk(b"LIST", b"odd") + chunk(b"fact", b"1234")),
    "unpadded_list": wav_bytes(BODY, before_data=chunk(b"LIST", b"odd")[:-1]),
    "unknown_size": wav_bytes(BODY, data_size=UNKNOWN),
    "zero_size": wav_bytes(BODY, data_size=0),
    "two_files": wav_bytes(BODY) + wav_bytes(BODY[:50], rate_hz=8_000),
    "odd_files": wav_bytes(BODY[:51], format_tag=ALAW, bits=8)
    + wav_bytes(BODY, format_tag=MULAW, bits=8),
    "unpadded_odd_file": wav_bytes(BODY[:51], format_tag=ALAW, bits=8)[:-1] + wav_bytes(BODY),
    "trailing_chunks": wav_bytes(BODY, after_data=chunk(b"LIST", b"title") + chunk(b"id3 ", b"x"))
    + wav_bytes(BODY),
    "padded_file": wav_bytes(BODY) + bytes(37),
    "junk_after": wav_bytes(BODY) + b"some bytes more",
    "short_junk_after": wav_bytes(BODY) + b"R",
    "damaged_trailing_chunk": wav_bytes(BODY, after_data=b"\xff" * 9),
    "bad_then_more": wav_bytes(BODY, bits=24) + wav_bytes(BODY),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 11, 45])
def test_the_cut_makes_no_difference(name: str, size: int) -> None:
    assert scan(STREAMS[name], size) == scan(STREAMS[name])


def test_raw_audio_is_untouched() -> None:
    for name in ("raw", "raw_that_begins_like_riff", "raw_with_a_file_inside"):
        assert scan(STREAMS[name], 3) == [WavAudio(STREAMS[name])]
    assert scan(STREAMS["raw_that_stops_like_riff"], 1) == [
        WavAudio(STREAMS["raw_that_stops_like_riff"])
    ]


def test_little_is_held_while_it_may_be_a_header() -> None:
    scanner = WavScanner()
    assert scanner.push(b"RIF") == []
    assert scanner.push(b"E") == [WavAudio(b"RIFE")]
    assert scanner.push(b"RIFF") == [WavAudio(b"RIFF")]


def test_extra_chunks_are_skipped() -> None:
    whole = [heard(Encoding.PCM16), WavAudio(BODY), WavEnd()]
    assert scan(STREAMS["list_and_fact"]) == whole
    assert scan(STREAMS["unpadded_list"]) == whole
    huge = wav_bytes(BODY, before_data=chunk(b"LIST", bytes(300_000)))
    assert scan(huge, 1_000) == whole


def test_an_unknown_size_lasts_until_the_flush() -> None:
    for name in ("unknown_size", "zero_size"):
        assert scan(STREAMS[name]) == [heard(Encoding.PCM16), WavAudio(BODY)]
    scanner = WavScanner()
    scanner.push(STREAMS["unknown_size"])
    assert scanner.push(b"RIFF and so on") == [WavAudio(b"RIFF and so on")]
    assert scanner.flush() == []
    assert scanner.push(STREAMS["file"])[0] == heard(Encoding.PCM16)


def test_zeros_after_a_file_are_padding() -> None:
    assert scan(STREAMS["padded_file"]) == scan(STREAMS["file"])


def test_one_file_may_follow_another() -> None:
    assert scan(STREAMS["two_files"]) == [
        heard(Encoding.PCM16),
        WavAudio(BODY),
        WavEnd(),
        heard(Encoding.PCM16, 8_000),
        WavAudio(BODY[:50]),
        WavEnd(),
    ]
    for name in ("odd_files", "unpadded_odd_file", "trailing_chunks"):
        parts = scan(STREAMS[name])
        assert [type(part) for part in parts] == [WavFormat, WavAudio, WavEnd] * 2, name
        assert not faults(parts)


def test_other_bytes_after_a_file_are_dropped_and_told() -> None:
    for name in ("junk_after", "short_junk_after", "damaged_trailing_chunk"):
        parts = scan(STREAMS[name])
        assert faults(parts) == ["bytes_after_wav"]
        assert parts[:3] == [heard(Encoding.PCM16), WavAudio(BODY), WavEnd()]


def test_after_a_fault_a_flush_begins_anew() -> None:
    scanner = WavScanner()
    assert faults(scanner.push(wav_bytes(BODY, bits=24))) == ["bad_wav"]
    assert scanner.push(BODY) == []
    assert scanner.flush() == []
    assert joined(scanner.push(BODY)) == [WavAudio(BODY)]


def test_a_file_cut_short_is_no_fault() -> None:
    assert scan(wav_bytes(BODY)[:-30]) == [heard(Encoding.PCM16), WavAudio(BODY[:-30])]


def test_the_last_format_chunk_before_the_audio_counts() -> None:
    file = wav_bytes(BODY, rate_hz=8_000, before_data=fmt_chunk(PCM, 1, 48_000, 16))
    assert scan(file)[0] == heard(Encoding.PCM16, 48_000)
