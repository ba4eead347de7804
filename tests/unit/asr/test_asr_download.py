"""Downloads over real HTTP: where the files lie, and what a new try fetches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir, snapshot_download, try_to_load_from_cache

from asr.transfer import Transfer
from asr.types import ModelFormat
from tests.support.downloads import (
    CT2_SPEC,
    HURRIED,
    REPO,
    DownloadRig,
    contents,
    ct2_files,
)
from tests.support.hub_server import Fetch, HubServer

FILES = ct2_files()
MODEL_BYTES = len(FILES["model.bin"])
TOTAL_BYTES = sum(len(content) for content in FILES.values())


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer({REPO: FILES | {"README.md": b"not needed"}}) as server:
        yield server


@pytest.fixture
def rig(hub: HubServer, tmp_path: Path) -> DownloadRig:
    return DownloadRig(hub, tmp_path / "cache")


# -- what comes out of it ----------------------------------------------------------------------
def test_the_model_lies_where_the_library_looks(rig: DownloadRig) -> None:
    folder = rig.run()
    assert contents(folder) == FILES
    found = try_to_load_from_cache(REPO, "model.bin", cache_dir=rig.cache_dir)
    assert found == str(folder / "model.bin")
    assert snapshot_download(REPO, local_files_only=True, cache_dir=rig.cache_dir) == str(folder)
    scan = scan_cache_dir(rig.cache_dir)
    assert not scan.warnings
    assert scan.size_on_disk == TOTAL_BYTES, "each file once"
    assert rig.leftovers() == []


def test_progress_starts_at_what_is_there_and_ends_at_all(rig: DownloadRig) -> None:
    rig.run()
    assert rig.told[0] == Transfer(0, TOTAL_BYTES)
    assert (rig.told[-1].done_bytes, rig.told[-1].total_bytes) == (TOTAL_BYTES, TOTAL_BYTES)


def test_progress_is_told_with_a_rate_and_the_time_left(rig: DownloadRig) -> None:
    rig.hub.faults.bytes_per_s = 500_000
    rig.run()
    on_the_way = [t for t in rig.told[1:-1] if t.done_bytes < TOTAL_BYTES]
    assert 1 <= len(on_the_way) <= 5, "five times a second at most"
    assert all(t.bytes_per_s and t.left_s for t in on_the_way[1:])


def test_a_model_that_is_there_is_not_fetched_again(rig: DownloadRig) -> None:
    folder = rig.run()
    rig.hub.requests.clear()
    assert rig.run() == folder
    assert rig.told[0].done_bytes == rig.told[0].total_bytes == TOTAL_BYTES
    assert [request.path for request in rig.hub.requests] == [
        f"/api/models/{REPO}/revision/main?blobs=true"
    ]


def test_a_pinned_commit_that_is_there_needs_no_hub(rig: DownloadRig) -> None:
    pinned = replace(CT2_SPEC, revision=rig.run().name)
    rig.hub.requests.clear()
    rig.run(pinned)
    assert rig.hub.requests == []
    assert rig.told == [Transfer(TOTAL_BYTES, TOTAL_BYTES)]


def test_a_pinned_commit_stays_when_the_branch_goes_on(rig: DownloadRig) -> None:
    pinned = replace(CT2_SPEC, revision=rig.run().name)
    newer = ct2_files(seed=2)
    rig.hub.push(REPO, newer)
    assert contents(rig.run()) == newer
    assert contents(rig.run(pinned)) == FILES


def test_of_a_newer_commit_only_what_is_new_is_fetched(rig: DownloadRig) -> None:
    rig.run()
    rig.hub.push(REPO, FILES | {"config.json": b'{"new": 1}'})
    rig.hub.requests.clear()
    folder = rig.run()
    assert (folder / "config.json").read_bytes() == b'{"new": 1}'
    assert rig.hub.fetched("model.bin") == []


def test_a_branch_is_found_by_its_name(rig: DownloadRig) -> None:
    other = ct2_files(seed=3)
    rig.hub.push(REPO, other, branch="v2")
    folder = rig.run(replace(CT2_SPEC, revision="v2"))
    assert contents(folder) == other
    found = try_to_load_from_cache(REPO, "model.bin", cache_dir=rig.cache_dir, revision="v2")
    assert found == str(folder / "model.bin")


def test_safetensors_are_fetched_and_pickles_are_not(rig: DownloadRig) -> None:
    weights = {"model.safetensors": b"s" * 20_000, "pytorch_model.bin": b"p" * 20_000}
    rig.hub.push("owner/torch", {"config.json": b"{}", "vocab.json": b"{}"} | weights)
    spec = replace(CT2_SPEC, repo="owner/torch", format=ModelFormat.TRANSFORMERS)
    assert set(contents(rig.run(spec))) == {"config.json", "vocab.json", "model.safetensors"}
    assert rig.hub.fetched("pytorch_model.bin") == []


def test_a_mirror_that_tells_no_sizes_is_asked_file_by_file(rig: DownloadRig) -> None:
    rig.hub.faults.bare_listing = True
    assert contents(rig.run()) == FILES
    assert {r.method for r in rig.hub.requests if "/resolve/" in r.path} == {"HEAD", "GET"}


# -- resume ------------------------------------------------------------------------------------
def test_a_line_that_breaks_is_gone_on_with(rig: DownloadRig) -> None:
    rig.hub.faults.break_after.extend([100_000, 70_000])
    assert contents(rig.run()) == FILES
    assert rig.hub.fetched("model.bin") == [
        Fetch(0, 100_000),
        Fetch(100_000, 70_000),
        Fetch(170_000, MODEL_BYTES - 170_000),
    ]


def test_a_new_try_fetches_only_the_rest(rig: DownloadRig) -> None:
    rig.hub.faults.break_after.extend([150_000, 0, 0])
    assert rig.fail() == "no_network"
    assert rig.leftovers() != []
    rig.hub.requests.clear()
    assert contents(rig.run()) == FILES
    assert rig.told[0].done_bytes == TOTAL_BYTES - MODEL_BYTES + 150_000
    assert rig.hub.fetched("model.bin") == [Fetch(150_000, MODEL_BYTES - 150_000)]
    assert rig.hub.fetched("config.json") == [], "the small ones were complete"
    assert rig.leftovers() == []


def test_until_all_is_there_the_library_finds_nothing(rig: DownloadRig) -> None:
    rig.hub.faults.break_after.extend([150_000, 0, 0])
    rig.fail()
    for name in FILES:
        assert try_to_load_from_cache(REPO, name, cache_dir=rig.cache_dir) is None


def test_the_rest_is_asked_for_under_the_etag_of_the_server_that_gave_the_first_part(
    rig: DownloadRig,
) -> None:
    rig.hub.faults.break_after.append(100_000)
    rig.run()
    second = [r for r in rig.hub.requests if r.headers.get("range")]
    assert [r.port for r in second] == ["hub", "cdn"]
    assert [r.headers.get("if-match") for r in second] == [
        None,
        f'"cdn0-{second[1].path.split("/")[2][:12]}"',
    ]


def test_what_changed_between_the_tries_is_begun_anew(rig: DownloadRig) -> None:
    rig.hub.faults.break_after.extend([100_000, 0, 0])
    rig.fail()
    newer = ct2_files(seed=2)
    rig.hub.push(REPO, newer)
    rig.hub.requests.clear()
    assert contents(rig.run()) == newer
    assert rig.hub.fetched("model.bin") == [Fetch(0, MODEL_BYTES)]
    assert rig.leftovers() == [], "the part of the older one is gone"


def test_a_server_that_has_another_etag_now_is_asked_for_all_of_it(rig: DownloadRig) -> None:
    rig.hub.faults.break_after.extend([100_000, 0, 0])
    rig.fail()
    rig.hub.faults.cdn_generation = 1
    rig.hub.requests.clear()
    assert contents(rig.run()) == FILES
    assert rig.hub.fetched("model.bin") == [Fetch(0, MODEL_BYTES)]


def test_a_server_without_ranges_sends_all_of_it_again(rig: DownloadRig) -> None:
    rig.hub.faults.ranges = False
    rig.hub.faults.break_after.append(100_000)
    assert contents(rig.run()) == FILES
    assert rig.hub.fetched("model.bin") == [Fetch(0, 100_000), Fetch(0, MODEL_BYTES)]


def test_a_part_from_another_place_is_not_taken(rig: DownloadRig) -> None:
    rig.hub.faults.break_after.append(100_000)
    rig.hub.faults.parts_begin_early_bytes = 10
    assert rig.fail() == "no_network"
    rig.hub.faults.parts_begin_early_bytes = 0
    rig.hub.requests.clear()
    assert contents(rig.run()) == FILES
    assert rig.hub.fetched("model.bin") == [Fetch(100_000, MODEL_BYTES - 100_000)]


def test_a_part_that_was_damaged_on_the_disk_is_fetched_anew(rig: DownloadRig) -> None:
    rig.hub.faults.break_after.extend([100_000, 0, 0])
    rig.fail()
    (part,) = (p for p in rig.repo_dir.glob("blobs/*.incomplete") if p.stat().st_size == 100_000)
    part.write_bytes(bytes(100_000))
    rig.hub.requests.clear()
    assert contents(rig.run()) == FILES
    assert rig.hub.fetched("model.bin")[-1] == Fetch(0, MODEL_BYTES)


def test_a_large_file_that_the_hub_serves_itself(tmp_path: Path) -> None:
    with HubServer({REPO: FILES}, cdn=False) as hub:  # redirected, relative, to the same port
        rig = DownloadRig(hub, tmp_path)
        hub.faults.break_after.append(100_000)
        assert contents(rig.run()) == FILES
        assert hub.fetched("model.bin")[1] == Fetch(100_000, MODEL_BYTES - 100_000)


def test_a_line_that_brings_a_little_each_time_is_given_up(rig: DownloadRig) -> None:
    rig.hub.faults.break_after.extend([100] * 50)
    assert rig.fail() == "no_network"
    assert len(rig.hub.fetched("model.bin")) == HURRIED.attempts


def test_another_program_s_download_under_way_is_left_alone(rig: DownloadRig) -> None:
    theirs = rig.repo_dir / "blobs" / "0123456789abcdef.1234abcd.incomplete"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    rig.run()
    assert theirs.read_bytes() == b"theirs"
