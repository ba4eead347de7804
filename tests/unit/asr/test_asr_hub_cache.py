"""The cache of one repository: links, leftovers, locks."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path

import pytest
from huggingface_hub import try_to_load_from_cache

from asr.download_plan import DownloadPlan, RepoFile, RepoListing, plan_download
from asr.engine import EngineError
from asr.hub import Validator, is_commit
from asr.hub_cache import MAKING_SUFFIX, Link, RepoCache, hard_link, symbolic_link
from asr.types import ModelFormat

COMMIT, REPO = "c" * 40, "owner/name"
FILES = tuple(
    RepoFile(name, 4, f"{number}" * 40)
    for number, name in enumerate(("config.json", "vocabulary.json", "model.bin"))
)
LISTING = RepoListing(REPO, COMMIT, FILES)


def refuse(blob: Path, target: Path) -> None:
    raise OSError("this file system has no links")


def cache(folder: Path, *links: Link) -> RepoCache:
    return RepoCache(folder, REPO, links or None)


def fetched(repo: RepoCache, listing: RepoListing = LISTING) -> DownloadPlan:
    """A plan whose files have just come."""
    plan = plan_download(listing, ModelFormat.CT2, repo.whole(listing), repo.parts())
    repo.prepare(plan)
    for file in plan.to_fetch:
        repo.part_path(file).write_text(file.etag[:4])
        repo.keep_validator(file, Validator("https://cdn:443", '"e"'))
    return plan


@pytest.mark.parametrize("links", [(symbolic_link,), (hard_link,), (refuse, hard_link), (refuse,)])
def test_every_file_lies_in_the_snapshot_and_once_on_the_disk(
    tmp_path: Path, links: tuple[Link, ...]
) -> None:
    repo = cache(tmp_path, *links)
    folder = repo.publish(fetched(repo), "main")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "config.json": "0000",
        "vocabulary.json": "1111",
        "model.bin": "2222",
    }
    found = try_to_load_from_cache(REPO, "model.bin", cache_dir=tmp_path)
    assert found == str(folder / "model.bin")
    inodes = {path.stat().st_ino for path in repo.folder.rglob("*") if path.is_file()}
    assert len(inodes) == len(FILES) + 1, "the files and the ref"
    assert repo.whole(LISTING) == {file.etag for file in FILES}
    assert repo.parts() == {}


def test_links_are_relative_so_that_the_cache_can_be_moved(tmp_path: Path) -> None:
    repo = cache(tmp_path / "here", symbolic_link)
    folder = repo.publish(fetched(repo), "main")
    (tmp_path / "here").rename(tmp_path / "there")
    moved = tmp_path / "there" / folder.relative_to(tmp_path / "here")
    assert (moved / "model.bin").read_text() == "2222"


@pytest.mark.parametrize("links", [(symbolic_link,), (refuse,)])
def test_two_names_of_one_content_both_lie_there(tmp_path: Path, links: tuple[Link, ...]) -> None:
    twin = RepoFile("vocabulary.json", 4, FILES[0].etag)
    repo = cache(tmp_path, *links)
    folder = repo.publish(fetched(repo, RepoListing(REPO, COMMIT, (FILES[0], twin, FILES[2]))), "v")
    assert (folder / "config.json").read_text() == (folder / "vocabulary.json").read_text()


def test_a_commit_needs_no_ref_and_a_branch_may_have_a_slash(tmp_path: Path) -> None:
    repo = cache(tmp_path)
    repo.publish(fetched(repo), COMMIT)
    assert not (repo.folder / "refs").exists()
    repo.publish(fetched(repo), "refs/pr/1")
    assert repo.commit_of("refs/pr/1") == COMMIT
    assert repo.commit_of("main") is None
    assert repo.commit_of("d" * 40) == "d" * 40


def test_a_broken_link_is_made_again(tmp_path: Path) -> None:
    repo = cache(tmp_path, symbolic_link)
    folder = repo.publish(fetched(repo), "main")
    (repo.folder / "blobs" / FILES[2].etag).unlink()
    plan = fetched(repo)
    assert [file.name for file in plan.to_fetch] == ["model.bin"]
    assert (repo.publish(plan, "main") / "model.bin").read_text() == "2222"
    assert not list(folder.glob("*.*.*")), "nothing half made"


def test_a_blob_of_the_wrong_size_is_not_whole(tmp_path: Path) -> None:
    repo = cache(tmp_path, symbolic_link)
    repo.publish(fetched(repo), "main")
    (repo.folder / "blobs" / FILES[2].etag).write_text("22")
    assert repo.whole(LISTING) == {FILES[0].etag, FILES[1].etag}


class Killed(BaseException):
    """A process that ends here, without a chance to tidy up."""


@pytest.mark.parametrize("links", [(symbolic_link,), (hard_link,), (refuse,)])
@pytest.mark.parametrize("place", range(len(FILES)))
def test_killed_between_the_contents_and_any_of_their_names(
    tmp_path: Path, links: tuple[Link, ...], place: int
) -> None:
    made = iter(range(len(FILES)))

    def killing(blob: Path, target: Path) -> None:
        if next(made) == place:
            raise Killed
        raise OSError("the next kind of link")

    dying = RepoCache(tmp_path, REPO, (killing, *links))
    with pytest.raises(Killed):
        dying.publish(fetched(dying), "main")
    assert try_to_load_from_cache(REPO, "model.bin", cache_dir=tmp_path) is None
    (dying.snapshot(COMMIT) / f"model.bin{MAKING_SUFFIX}").write_text("half made")

    repo = cache(tmp_path, *links)
    plan = fetched(repo)
    assert plan.to_fetch == (), "every content had come"
    folder = repo.publish(plan, "main")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "config.json": "0000",
        "vocabulary.json": "1111",
        "model.bin": "2222",
    }


def test_parts_of_what_is_not_wanted_any_more_go_and_the_others_stay(tmp_path: Path) -> None:
    repo = cache(tmp_path)
    fetched(repo)
    newer = (*FILES[:2], RepoFile("model.bin", 5, "f" * 40))
    repo.prepare(
        plan_download(
            RepoListing(REPO, "d" * 40, newer), ModelFormat.CT2, frozenset(), repo.parts()
        )
    )
    assert set(repo.parts()) == {FILES[0].etag, FILES[1].etag}
    assert repo.validator(FILES[2]) is None
    assert repo.validator(FILES[0]) == Validator("https://cdn:443", '"e"')


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"origin": 1}', "\udcff"])
def test_a_damaged_note_of_the_etag_is_no_note(tmp_path: Path, text: str) -> None:
    repo = cache(tmp_path)
    fetched(repo)
    (note,) = repo.folder.glob(f"blobs/{FILES[0].etag}*.json")
    note.write_bytes(text.encode(errors="surrogateescape"))
    assert repo.validator(FILES[0]) is None


def test_one_download_at_a_time(tmp_path: Path) -> None:
    cancelled = threading.Event()
    with cache(tmp_path).lock(threading.Event()):
        timer = threading.Timer(0.1, cancelled.set)
        timer.start()
        with pytest.raises(EngineError) as caught, cache(tmp_path).lock(cancelled):
            raise AssertionError("two at once")
    assert caught.value.code == "cancelled"
    timer.join()
    with cache(tmp_path).lock(threading.Event()):
        assert (tmp_path / ".locks" / "models--owner--name" / "thai-asr.lock").exists()


def test_who_waits_can_be_cancelled_though_the_clock_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = itertools.count(500_000, -1)
    with cache(tmp_path).lock(threading.Event()):
        monkeypatch.setattr(time, "time", lambda: next(hours) * 3_600.0)
        cancelled = threading.Event()
        timer = threading.Timer(0.1, cancelled.set)
        timer.start()
        begun_s = time.monotonic()
        with pytest.raises(EngineError), cache(tmp_path).lock(cancelled):
            raise AssertionError("two at once")
        assert time.monotonic() - begun_s < 3.0
        timer.join()


def test_what_a_commit_looks_like() -> None:
    assert is_commit(COMMIT)
    assert not any(map(is_commit, (None, "main", "c" * 39, "v1.0", "C" * 40)))
