"""Downloads over real HTTP that are refused, fail, or are cancelled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from asr.download import ModelDownloader
from asr.engine import EngineError
from asr.hub import Patience
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


# -- tokens ------------------------------------------------------------------------------------
def test_the_token_goes_to_the_hub_alone(rig: DownloadRig) -> None:
    rig.token = "hf_secret"
    rig.run()
    tokens = {(r.port, r.token) for r in rig.hub.requests}
    assert tokens == {("hub", "Bearer hf_secret"), ("cdn", None)}


def test_a_gated_model_says_where_its_terms_are(rig: DownloadRig) -> None:
    rig.hub.faults.gated.add(REPO)
    with pytest.raises(EngineError, match=f"{rig.hub.endpoint}/{REPO}.*HF_TOKEN") as caught:
        rig.run()
    assert caught.value.code == "gated_model"
    rig.token = "of another"
    assert rig.fail() == "gated_model"
    rig.hub.faults.tokens.add("accepted")
    rig.token = "accepted"
    assert contents(rig.run()) == FILES


# -- what can be wrong -------------------------------------------------------------------------
def test_a_wrong_checksum_leaves_nothing_behind(rig: DownloadRig) -> None:
    rig.hub.faults.corrupt.add("model.bin")
    assert rig.fail() == "checksum_mismatch"
    assert not list(rig.repo_dir.glob("snapshots/*"))
    assert all(p.stat().st_size < MODEL_BYTES for p in rig.repo_dir.glob("blobs/*"))
    rig.hub.faults.corrupt.clear()
    assert contents(rig.run()) == FILES


def test_a_small_file_is_checked_too(rig: DownloadRig) -> None:
    rig.hub.faults.corrupt.add("config.json")
    assert rig.fail() == "checksum_mismatch"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (replace(CT2_SPEC, repo="owner/nothing"), "there is no repository owner/nothing"),
        (replace(CT2_SPEC, revision="v9"), "no revision v9"),
    ],
)
def test_what_the_hub_does_not_know(rig: DownloadRig, spec: object, words: str) -> None:
    assert isinstance(spec, type(CT2_SPEC))
    with pytest.raises(EngineError, match=words) as caught:
        rig.run(spec)
    assert caught.value.code == "model_not_found"


def test_a_repository_without_weights(rig: DownloadRig) -> None:
    rig.hub.push(REPO, {"config.json": b"{}", "vocabulary.txt": b"a"})
    assert rig.fail() == "model_not_found"


def test_a_repository_of_pickles(rig: DownloadRig) -> None:
    rig.hub.push(REPO, {"config.json": b"{}", "pytorch_model.bin": b"x"})
    assert rig.fail(replace(CT2_SPEC, format=ModelFormat.TRANSFORMERS)) == "unsafe_format"
    assert rig.hub.fetched("pytorch_model.bin") == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_is_overloaded_for_a_moment(rig: DownloadRig, status: int) -> None:
    rig.hub.faults.statuses.extend([status, status, 0, status, status])
    assert contents(rig.run()) == FILES


def test_a_hub_that_stays_away(rig: DownloadRig) -> None:
    rig.hub.faults.statuses.extend([503] * 20)
    assert rig.fail() == "hub_unavailable"
    assert len(rig.hub.requests) == HURRIED.attempts


def test_a_model_that_is_there_whole_is_used_while_the_hub_is_away(rig: DownloadRig) -> None:
    folder = rig.run()
    rig.hub.requests.clear()
    rig.hub.faults.statuses.extend([503] * 20)
    assert rig.run() == folder
    assert len(rig.hub.requests) == 1, "it is there: nobody waits for a second try"
    assert rig.told == [Transfer(TOTAL_BYTES, TOTAL_BYTES)]


def test_a_signed_address_that_expired_is_asked_for_again(rig: DownloadRig) -> None:
    rig.hub.faults.statuses.extend([0] * 5 + [403])  # the listing, 3 small files, 302, the CDN
    assert contents(rig.run()) == FILES
    asked = [r.port for r in rig.hub.requests if "/bytes/" in r.path or "model.bin" in r.path]
    assert asked == ["hub", "cdn", "hub", "cdn"]


def test_nobody_listens_at_the_endpoint(tmp_path: Path) -> None:
    with HubServer({}) as gone:
        endpoint = gone.endpoint
    downloader = ModelDownloader(cache_dir=tmp_path, endpoint=endpoint, patience=HURRIED)
    with pytest.raises(EngineError, match=r"127\.0\.0\.1.*check the network") as caught:
        downloader.download(CT2_SPEC, lambda _: None, threading.Event())
    assert caught.value.code == "no_network"


def test_what_answers_is_no_hub(rig: DownloadRig) -> None:
    rig.hub.faults.statuses.append(204)
    with pytest.raises(EngineError, match="as a model hub does") as caught:
        rig.run()
    assert caught.value.code == "hub_unavailable"


def test_offline_nothing_is_asked(rig: DownloadRig) -> None:
    offline = ModelDownloader(
        cache_dir=rig.cache_dir, endpoint=rig.hub.endpoint, token=False, offline=True
    )
    with pytest.raises(EngineError, match="switched off") as caught:
        offline.download(CT2_SPEC, lambda _: None, threading.Event())
    assert caught.value.code == "offline"
    assert rig.hub.requests == []
    folder = rig.run()
    assert offline.download(CT2_SPEC, lambda _: None, threading.Event()) == folder


# -- the disk ----------------------------------------------------------------------------------
def test_too_little_room_is_found_before_a_byte_comes(rig: DownloadRig) -> None:
    rig.free_bytes = lambda folder: 1_000_000
    assert rig.fail() == "disk_full"
    assert all(rig.hub.fetched(name) == [] for name in FILES)


def test_a_disk_that_fills_up_meanwhile(rig: DownloadRig) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    listing = rig.hub.resolve(REPO, "main")
    assert listing is not None
    part = rig.repo_dir / "blobs" / f"{listing[1]['model.bin'].etag}.thai-asr.incomplete"
    part.parent.mkdir(parents=True)
    part.symlink_to(full)
    with pytest.raises(EngineError, match="make room") as caught:
        rig.run()
    assert caught.value.code == "disk_full"


def test_a_cache_that_cannot_be_written(rig: DownloadRig) -> None:
    rig.cache_dir.write_text("a file, where the cache should be")
    with pytest.raises(EngineError, match="HF_HOME") as caught:
        rig.run()
    assert caught.value.code == "cache_failed"


# -- cancelling, and others --------------------------------------------------------------------
class Watched(list[Transfer]):
    """Sets an event at some progress."""

    def __init__(self, at_bytes: int) -> None:
        super().__init__()
        self.reached = threading.Event()
        self._at_bytes = at_bytes

    def append(self, transfer: Transfer) -> None:
        super().append(transfer)
        if transfer.done_bytes >= self._at_bytes:
            self.reached.set()


def run_cancelled(rig: DownloadRig, at_bytes: int) -> str:
    """Cancel at some progress; the code of the error, which comes within 2 s."""
    told, cancelled, codes = Watched(at_bytes), threading.Event(), list[str]()
    patient = ModelDownloader(
        cache_dir=rig.cache_dir, endpoint=rig.hub.endpoint, token=False, patience=Patience()
    )

    def run() -> None:
        try:
            patient.download(CT2_SPEC, told.append, cancelled)
        except EngineError as error:
            codes.append(error.code)

    thread = threading.Thread(target=run, name="cancelled download")
    thread.start()
    assert told.reached.wait(10)
    cancelled.set()
    thread.join(2.0)
    assert not thread.is_alive()
    return codes[0]


def test_a_stalled_line_is_left_at_once_and_what_came_stays(rig: DownloadRig) -> None:
    rig.hub.faults.stall_after = 120_000
    assert run_cancelled(rig, TOTAL_BYTES - MODEL_BYTES + 120_000) == "cancelled"
    assert "hub port" in {t.name for t in threading.enumerate()}
    assert not [t for t in threading.enumerate() if t.name == "download"], "the thread is gone too"
    rig.hub.faults.stall_after = None
    rig.hub.requests.clear()
    assert contents(rig.run()) == FILES
    assert rig.hub.fetched("model.bin") == [Fetch(120_000, MODEL_BYTES - 120_000)]


def test_a_stalled_line_is_given_up_and_tried_again(rig: DownloadRig) -> None:
    rig.patience = replace(HURRIED, stall_s=0.3)
    rig.hub.faults.stall_after = 120_000
    assert contents(rig.run()) == FILES
    assert [fetch.start for fetch in rig.hub.fetched("model.bin")] == [0, 120_000, 240_000]


def test_a_hub_that_does_not_answer_is_left_at_once(rig: DownloadRig) -> None:
    rig.hub.faults.stall_answers = True
    cancelled = threading.Event()
    timer = threading.Timer(0.2, cancelled.set)
    timer.start()
    assert rig.fail(cancelled=cancelled) == "cancelled"
    timer.join()


def test_cancelled_before_it_began(rig: DownloadRig) -> None:
    cancelled = threading.Event()
    cancelled.set()
    assert rig.fail(cancelled=cancelled) == "cancelled"
    assert all(rig.hub.fetched(name) == [] for name in FILES)


def test_of_two_downloads_of_one_model_one_fetches_and_the_other_waits(rig: DownloadRig) -> None:
    rig.hub.faults.bytes_per_s = 600_000
    other = DownloadRig(rig.hub, rig.cache_dir)
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda r=r: folders.append(r.run()), name="twin")
        for r in (rig, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(folders)) == 1
    assert len(folders) == 2
    assert rig.hub.fetched("model.bin") == [Fetch(0, MODEL_BYTES)]


def test_who_waits_for_another_download_can_be_cancelled(rig: DownloadRig) -> None:
    rig.hub.faults.stall_after = 100_000
    told, first_cancelled = Watched(100_000), threading.Event()
    rig.patience = Patience()
    downloader = ModelDownloader(
        cache_dir=rig.cache_dir, endpoint=rig.hub.endpoint, token=False, patience=Patience()
    )
    first_codes: list[str] = []

    def first() -> None:
        try:
            downloader.download(CT2_SPEC, told.append, first_cancelled)
        except EngineError as error:
            first_codes.append(error.code)

    thread = threading.Thread(target=first, name="first")
    thread.start()
    assert told.reached.wait(10)
    cancelled = threading.Event()
    timer = threading.Timer(0.5, cancelled.set)
    timer.start()
    assert rig.fail(cancelled=cancelled) == "cancelled"
    assert len(rig.hub.fetched("model.bin")) == 1
    first_cancelled.set()
    thread.join(5)
    assert first_codes == ["cancelled"]
