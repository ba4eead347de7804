"""Audio on disk for debugging: readable, bounded, and harmless where the disk is not well."""

from __future__ import annotations

import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.types import SAMPLE_RATE_HZ, Samples
from server.audio_log import CLOSE_S, MAX_WAITING, AudioLog
from server.audio_log_rules import StoredAudio, to_delete
from server.setting_rows import SettingError

SECOND: Samples = np.full(SAMPLE_RATE_HZ, 0.5, dtype=np.float32)
SECOND_BYTES = 2 * SAMPLE_RATE_HZ


def make(folder: Path, max_bytes: int = 10_000_000, max_age_s: float = 1e6) -> AudioLog:
    return AudioLog(folder, max_bytes=max_bytes, max_age_s=max_age_s)


def wavs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.wav"))


def seconds(path: Path) -> float:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        assert file.getframerate() == SAMPLE_RATE_HZ
        frames: int = file.getnframes()
    return frames / SAMPLE_RATE_HZ


def test_each_stream_is_one_file_with_all_its_audio(tmp_path: Path) -> None:
    log = make(tmp_path / "log")
    for _ in range(3):
        log.write("a1.1", SECOND)
    log.write("a1.2", 2 * SECOND)
    log.close()
    first, second = wavs(tmp_path / "log")
    assert first.name.endswith("_a1.1.wav")
    assert (seconds(first), seconds(second)) == (3.0, 1.0)
    with wave.open(str(second)) as file:
        samples = np.frombuffer(file.readframes(10), dtype="<i2")
    assert set(samples.tolist()) == {32_767}, "too loud is clipped, not wrapped"
    assert log.left_out_s == 0.0


def test_only_the_servers_user_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "there" / "log"
    folder.mkdir(parents=True, mode=0o755)
    log = make(folder)
    log.write("a1.1", SECOND)
    log.close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert wavs(folder)[0].stat().st_mode & 0o777 == 0o600


def test_no_more_is_kept_than_may_be_and_the_newest_stays(tmp_path: Path) -> None:
    most = 10 * SECOND_BYTES
    log = make(tmp_path, most)
    for number in range(100):
        log.write(f"a{number}.1", SECOND)
    for _ in range(30):
        log.write("b.1", SECOND)
    log.close()
    assert sum(path.stat().st_size for path in wavs(tmp_path)) <= most
    assert wavs(tmp_path)[-1].name.endswith("_b.1.wav")
    assert len(wavs(tmp_path)) > 1, "a long recording goes piece by piece, too"


def test_what_is_too_old_goes_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    for name in ("heard_20200101T000000.000000Z_a1.1.wav", "mine.wav"):
        (tmp_path / name).write_bytes(b"RIFF")
    log = AudioLog(tmp_path, max_bytes=10**6, max_age_s=60, wall_clock=lambda: 4e9)
    log.close()
    assert [path.name for path in wavs(tmp_path)] == ["mine.wav"]


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingError, match=r"audio_log_dir: .* cannot be used"):
        make(tmp_path / "file")


def test_a_disk_that_fails_ends_the_log_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = make(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wave.Wave_write, "writeframes", full)
    log.write("a1.1", SECOND)
    log.close()
    log.write("a1.1", SECOND)
    assert log.problem == "No space left on device"
    assert caplog.text.count("nothing is written any more") == 1


def test_a_slow_disk_costs_audio_and_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = make(tmp_path)
    go_on = threading.Event()
    monkeypatch.setattr(wave.Wave_write, "writeframes", lambda *_: go_on.wait(10))
    for _ in range(MAX_WAITING + 10):
        log.write("a1.1", SECOND)
    assert log.left_out_s in (9.0, 10.0)
    assert caplog.text.count("the disk is too slow") == 1
    go_on.set()
    log.close()
    assert CLOSE_S < 5


FILES = st.lists(
    st.builds(
        StoredAudio,
        st.uuids().map(str),
        st.integers(0, 100),
        st.floats(0, 1_000),
    ),
    max_size=20,
    unique_by=lambda file: file.name,
)


@given(FILES, st.integers(0, 300), st.floats(1, 1_000))
def test_what_stays_fits_and_is_the_newest(
    files: list[StoredAudio], max_bytes: int, max_age_s: float
) -> None:
    gone = set(to_delete(files, 1_000.0, max_bytes, max_age_s))
    kept = [file for file in files if file.name not in gone]
    assert sum(file.size_bytes for file in kept) <= max_bytes
    assert all(1_000.0 - file.ended_s <= max_age_s for file in kept)
    for file in files:
        if file.name in gone and 1_000.0 - file.ended_s <= max_age_s:
            newer = sum(f.size_bytes for f in files if f.ended_s >= file.ended_s)
            assert newer > max_bytes, "deleted for want of room only"
