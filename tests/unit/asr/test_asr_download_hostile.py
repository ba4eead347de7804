"""Downloads from a hub that lies, and over lines that break anywhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asr.engine import EngineError
from asr.transfer import Transfer
from tests.support.downloads import REPO, DownloadRig, contents, ct2_files
from tests.support.hub_server import Fetch, HubServer

FILES = ct2_files()
MODEL_BYTES = len(FILES["model.bin"])
TOTAL_BYTES = sum(len(content) for content in FILES.values())
REQUESTS = 6
"""Of one download: the listing, three small files, the weights at the hub and at the CDN."""

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer({REPO: FILES}) as server:
        yield server


@pytest.fixture
def rig(hub: HubServer, tmp_path: Path) -> DownloadRig:
    return DownloadRig(hub, tmp_path / "cache")


def set_size(name: str, size: object) -> Edit:
    """A listing with another size of a file."""

    def edit(answer: dict[str, Any]) -> None:
        for sibling in answer["siblings"]:
            if sibling["rfilename"] == name:
                sibling["size"] = size
                if "lfs" in sibling:
                    sibling["lfs"]["size"] = size

    return edit


# -- lines -------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["close", "reset", "head"])
@pytest.mark.parametrize("place", range(REQUESTS))
def test_a_line_may_break_at_any_request(rig: DownloadRig, how: str, place: int) -> None:
    rig.hub.faults.hang_ups.extend([""] * place + [how])
    assert contents(rig.run()) == FILES
    assert len(rig.hub.requests) > REQUESTS, "it broke, and was tried again"


def test_a_line_that_breaks_within_the_listing(rig: DownloadRig) -> None:
    rig.hub.faults.hang_ups.append("body")
    assert contents(rig.run()) == FILES


@pytest.mark.parametrize("after", [1, 65_536, MODEL_BYTES - 1])
def test_a_line_may_break_at_the_first_byte_and_at_the_last(rig: DownloadRig, after: int) -> None:
    rig.hub.faults.break_after.append(after)
    assert contents(rig.run()) == FILES
    rest = Fetch(after, MODEL_BYTES - after)
    assert rig.hub.fetched("model.bin") == [Fetch(0, after), rest]


def test_a_part_that_the_server_calls_another_is_not_taken(rig: DownloadRig) -> None:
    rig.hub.faults.break_after.append(100_000)
    rig.hub.faults.byte_headers["Content-Range"] = f"bytes 0-{MODEL_BYTES - 1}/{MODEL_BYTES}"
    assert rig.fail() == "no_network"
    rig.hub.faults.byte_headers.clear()
    assert contents(rig.run()) == FILES


def test_a_server_that_begins_anew_each_time_and_never_ends_is_given_up(rig: DownloadRig) -> None:
    rig.hub.faults.ranges = False
    rig.hub.faults.break_after.extend([200_000] * 100)
    assert rig.fail() == "no_network"
    assert len(rig.hub.fetched("model.bin")) == rig.patience.attempts


# -- redirects and tokens ----------------------------------------------------------------------
def test_redirects_that_lead_in_circles(rig: DownloadRig) -> None:
    rig.hub.faults.redirect = f"/{REPO}/resolve/main/config.json"
    with pytest.raises(EngineError, match="leads in circles") as caught:
        rig.run()
    assert caught.value.code == "hub_unavailable"
    assert len(rig.hub.requests) < 20


@pytest.mark.parametrize("place", ["http://[", "file:///etc/passwd", "http://127.0.0.1:99999/"])
def test_redirects_to_nowhere(rig: DownloadRig, place: str) -> None:
    rig.hub.faults.redirect = place
    assert rig.fail() in {"hub_unavailable", "no_network"}


def test_a_listing_that_lies_elsewhere_gets_no_token(rig: DownloadRig) -> None:
    rig.token = "hf_secret"
    assert rig.hub.cdn_url is not None
    rig.hub.faults.redirect_listing = f"{rig.hub.cdn_url}/listing"
    assert rig.fail() in {"hub_unavailable", "model_not_found"}
    tokens = [(r.port, r.token) for r in rig.hub.requests]
    assert tokens == [("hub", "Bearer hf_secret"), ("cdn", None)]


def test_a_signature_that_expired_at_the_hub_itself_is_asked_for_again(tmp_path: Path) -> None:
    with HubServer({REPO: FILES}, cdn=False) as mirror:
        rig = DownloadRig(mirror, tmp_path)
        mirror.faults.statuses.extend([0] * 5 + [403])
        assert contents(rig.run()) == FILES


# -- listings ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "commit", ["../../../outside", "", None, "c" * 39, "C" * 40, "c" * 40 + "\n"]
)
def test_a_commit_that_is_none_names_no_folder(rig: DownloadRig, commit: object) -> None:
    rig.hub.faults.edit_listing = lambda answer: answer.update(sha=commit)
    assert rig.fail() == "hub_unavailable"
    assert not rig.cache_dir.exists()


@pytest.mark.parametrize("size", [-1, "300000", None, 1.5, [1]])
def test_a_size_that_is_none(rig: DownloadRig, size: object) -> None:
    rig.hub.faults.edit_listing = set_size("model.bin", size)
    if size is None:
        assert contents(rig.run()) == FILES, "it is asked for"
    else:
        assert rig.fail() == "hub_unavailable"


@pytest.mark.parametrize("size", [0, MODEL_BYTES - 1])
def test_a_file_longer_than_the_hub_says_is_damaged(rig: DownloadRig, size: int) -> None:
    rig.hub.faults.edit_listing = set_size("model.bin", size)
    assert rig.fail() == "checksum_mismatch"
    assert not list(rig.repo_dir.glob("snapshots/*"))


def test_a_file_shorter_than_the_hub_says_is_not_fetched_for_ever(rig: DownloadRig) -> None:
    rig.hub.faults.edit_listing = set_size("model.bin", MODEL_BYTES + 1)
    assert rig.fail() == "no_network"
    whole = [fetch for fetch in rig.hub.fetched("model.bin") if fetch.start == 0]
    assert len(whole) <= rig.patience.attempts


def test_a_file_larger_than_any_disk(rig: DownloadRig) -> None:
    rig.hub.faults.edit_listing = set_size("model.bin", 10**30)
    assert rig.fail() == "disk_full"


STRANGE = (
    *("../outside", "/etc/outside", "..\\outside", "C:\\outside", "a/../../outside"),
    *("model.bin/../../outside", "model.bin\n", "model-๐๐๐๐๑-of-๐๐๐๐๑.safetensors", "", "."),
)


def test_strange_names_are_neither_fetched_nor_made(rig: DownloadRig, tmp_path: Path) -> None:
    strange = [{"rfilename": name, "size": 1, "blobId": "e" * 40} for name in STRANGE]
    rig.hub.faults.edit_listing = lambda answer: answer["siblings"].extend(strange)
    assert contents(rig.run()) == FILES
    assert len(rig.hub.requests) == REQUESTS
    assert not list(tmp_path.rglob("*outside*"))


def test_what_is_not_needed_may_have_any_size_and_checksum(rig: DownloadRig) -> None:
    odd = {"rfilename": "README.md", "size": "large", "blobId": 'W/"x"'}
    rig.hub.faults.edit_listing = lambda answer: answer["siblings"].append(odd)
    assert contents(rig.run()) == FILES


def test_of_a_huge_bare_listing_only_what_is_needed_is_asked_for(rig: DownloadRig) -> None:
    many = [{"rfilename": f"runs/{number}/events"} for number in range(20_000)]
    rig.hub.faults.bare_listing = True
    rig.hub.faults.edit_listing = lambda answer: answer["siblings"].extend(many)
    assert contents(rig.run()) == FILES
    assert sum(r.method == "HEAD" for r in rig.hub.requests) == len(FILES)


@pytest.mark.parametrize("siblings", [None, "text", [1], [{}], [{"rfilename": 7}], {}])
def test_a_listing_that_is_none(rig: DownloadRig, siblings: object) -> None:
    rig.hub.faults.edit_listing = lambda answer: answer.update(siblings=siblings)
    assert rig.fail() in {"hub_unavailable", "model_not_found"}


# -- etags -------------------------------------------------------------------------------------
@pytest.mark.parametrize("etag", ['W/"weak"', "bare", '"', '"a"b"', '"\xe9"', '"a b"', ""])
def test_an_etag_that_cannot_be_sent_back_is_not(rig: DownloadRig, etag: str) -> None:
    rig.hub.faults.byte_headers["ETag"] = etag
    rig.hub.faults.break_after.append(100_000)
    assert contents(rig.run()) == FILES
    assert all("if-match" not in request.headers for request in rig.hub.requests)


def test_a_note_of_an_etag_with_another_header_in_it_is_no_note(rig: DownloadRig) -> None:
    rig.hub.faults.break_after.extend([100_000] + [1] * 10)
    assert rig.fail() == "no_network"
    (part,) = (p for p in rig.repo_dir.glob("blobs/*.incomplete") if p.stat().st_size == 100_002)
    note = part.with_name(part.name.replace(".incomplete", ".json"))
    kept = json.loads(note.read_text())
    note.write_text(json.dumps(kept | {"etag": '"a"\r\nX-Other: 1'}))
    rig.hub.faults.break_after.clear()
    assert contents(rig.run()) == FILES


# -- the disk ----------------------------------------------------------------------------------
def test_a_model_that_is_there_is_used_from_a_cache_that_cannot_be_written(
    rig: DownloadRig,
) -> None:
    folder = rig.run()
    shutil.rmtree(rig.cache_dir / ".locks")
    (rig.cache_dir / ".locks").write_text("no folder can be made here")
    assert rig.run() == folder
    assert rig.told == [Transfer(TOTAL_BYTES, TOTAL_BYTES)]
