"""Folders that appear whole or not at all."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from asr.engine import EngineError
from asr.placing import locked, making, move_into_place, placing_error, remove_leavings


def test_what_is_made_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "old").touch()
    with locked(folder, threading.Event()), making(folder) as made:
        made.mkdir()
        (made / "new").write_text("x")
        (made / "link").symlink_to(tmp_path)
        move_into_place(made, folder)
    assert {path.name for path in folder.iterdir()} == {"new", "link"}


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "old").touch()
    with (
        pytest.raises(IsADirectoryError),
        locked(folder, threading.Event()),
        making(folder) as made,
    ):
        made.mkdir()
        made.write_text("not a file")
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert not (tmp_path / "m.making").exists()


def test_leavings_of_the_same_folder_are_out_of_the_way(tmp_path: Path) -> None:
    (tmp_path / "m.making").mkdir()
    (tmp_path / "m.making" / "half").touch()
    with making(tmp_path / "m") as made:
        assert not made.exists()


def test_what_is_locked_is_being_made(tmp_path: Path) -> None:
    for name in ("live", "dead"):
        (tmp_path / f"{name}.making").mkdir()
    with locked(tmp_path / "live", threading.Event()):
        remove_leavings(tmp_path)
    assert (tmp_path / "live.making").exists()
    assert not (tmp_path / "dead.making").exists()


def test_a_lock_is_free_again_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), locked(tmp_path / "m", threading.Event()):
        raise ValueError("no")
    with locked(tmp_path / "m", threading.Event()):
        pass


def test_who_waits_for_a_lock_can_be_called_off(tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with (
        locked(tmp_path / "m", threading.Event()),
        pytest.raises(EngineError) as caught,
        locked(tmp_path / "m", cancelled),
    ):
        raise AssertionError
    assert caught.value.code == "cancelled"


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "disk_full"), (errno.EDQUOT, "disk_full"), (errno.EACCES, "cache_failed")],
)
def test_why_it_could_not_be_written(number: int, code: str) -> None:
    assert placing_error(OSError(number, "why"), Path("/place")).code == code
