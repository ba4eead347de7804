"""Parts of files, and the checksum that grows with them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from asr.download_plan import RepoFile
from asr.part_file import PartFile

DATA = b"0123456789" * 300_000
LFS = RepoFile("model.bin", len(DATA), hashlib.sha256(DATA).hexdigest())
SMALL = RepoFile("config.json", 2, "9e26dfeeb6e641a33dae4961196235bdb965b21b")
"""`{}` as git calls it."""


def nothing() -> None:
    """Between blocks."""


def test_a_file_is_right_when_all_its_bytes_came(tmp_path: Path) -> None:
    with PartFile(tmp_path / "part", LFS, nothing) as part:
        part.append(DATA[:-1])
        assert not part.is_right()
        part.append(DATA[-1:])
        assert part.is_right()
        part.sync()
    assert (tmp_path / "part").read_bytes() == DATA


def test_what_was_there_counts_for_the_checksum(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA[:2_500_000])
    with PartFile(tmp_path / "part", LFS, nothing) as part:
        assert part.size_bytes == 2_500_000
        part.append(DATA[2_500_000:])
        assert part.is_right()


def test_a_damaged_part_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"x" + DATA[1:2_500_000])
    with PartFile(tmp_path / "part", LFS, nothing) as part:
        part.append(DATA[2_500_000:])
        assert not part.is_right()
        part.restart()
        part.append(DATA)
        assert part.is_right()


def test_a_part_longer_than_the_file_is_cut_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA + b"x")
    with PartFile(tmp_path / "part", LFS, nothing) as part:
        assert part.size_bytes == 0
    assert (tmp_path / "part").stat().st_size == 0


def test_small_files_are_checked_as_git_does(tmp_path: Path) -> None:
    with PartFile(tmp_path / "part", SMALL, nothing) as part:
        part.append(b"{}")
        assert part.is_right()
    with PartFile(tmp_path / "other", SMALL, nothing) as part:
        part.append(b"[]")
        assert not part.is_right()


def test_hashing_can_be_left(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA)

    def leave() -> None:
        raise KeyError("cancelled")

    with pytest.raises(KeyError), PartFile(tmp_path / "part", LFS, leave):
        raise AssertionError("it was not left")
