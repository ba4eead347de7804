from __future__ import annotations

import os
from pathlib import Path

import pytest

from client.exports import ExportError, ExportFormat, Exports, word_breaker
from tests.support.fake_server import final


def test_checking_touches_nothing_and_writing_leaves_only_the_files(tmp_path: Path) -> None:
    old = tmp_path / "a.srt"
    old.write_text("old", encoding="utf-8")
    exports = Exports({kind: tmp_path / f"a.{kind.value}" for kind in ExportFormat})
    exports.check()
    assert old.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a.srt"]
    written = exports.write([final("สวัสดี")])
    assert sorted(path.name for path in written) == sorted(os.listdir(tmp_path))
    assert all("สวัสดี" in path.read_text(encoding="utf-8") for path in written)


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "a.txt"):
        with pytest.raises(ExportError, match="cannot write"):
            Exports({ExportFormat.TXT: path}).check()


def test_a_failure_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ExportError, match="No space left on device"):
        Exports({ExportFormat.TXT: path}).write([final("ใหม่")])
    assert path.read_text(encoding="utf-8") == "old"
    [beside] = [name for name in os.listdir(tmp_path) if name != "a.txt"]
    assert (tmp_path / beside).read_text(encoding="utf-8") == "ใหม่\n", "the text is not lost"


def test_one_file_that_fails_does_not_keep_the_others_from_being_written(tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "a.srt"
    good = tmp_path / "a.txt"
    exports = Exports({ExportFormat.SRT: gone, ExportFormat.TXT: good})
    with pytest.raises(ExportError, match=r"a\.srt"):
        exports.write([final("ใหม่")])
    assert good.read_text(encoding="utf-8") == "ใหม่\n"


def test_the_same_file_twice_and_a_device_are_refused(tmp_path: Path) -> None:
    twice = Exports({ExportFormat.SRT: tmp_path / "a", ExportFormat.TXT: tmp_path / "a"})
    with pytest.raises(ExportError, match="the same"):
        twice.check()
    with pytest.raises(ExportError, match="device"):
        Exports({ExportFormat.TXT: Path(os.devnull)}).check()


def test_words_joined_are_the_text() -> None:
    text = "วันนี้ อากาศดีมาก hello, 1,000 บาท (ครับ) ค่ะๆ"
    assert "".join(word_breaker()(text)) == text
