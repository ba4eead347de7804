"""How long to wait, who gets a token, and the stand-in that other tests rely on."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download

from asr.hub import Head, Hub, Patience, origin
from asr.hub_errors import HubError
from tests.support.downloads import REPO, ct2_files
from tests.support.hub_server import HubServer


def test_waits_double_up_to_a_bound() -> None:
    patience = Patience(first_wait_s=0.5, longest_wait_s=8.0)
    assert [patience.wait_s(n) for n in (1, 2, 3, 5, 50)] == [0.5, 1.0, 2.0, 8.0, 8.0]


def test_a_wait_that_the_hub_asks_for_is_kept_within_reason() -> None:
    assert Patience().wait_s(1, 12.0) == 12.0
    assert Patience().wait_s(1, 86_400.0) == 60.0
    assert Patience().wait_s(2, 0.0) == 1.0


@pytest.mark.parametrize(
    ("url", "has_token"),
    [
        ("https://hub.example/a/b", True),
        ("https://hub.example:443/a/b", True),
        ("https://HUB.example/a/b", True),
        ("http://hub.example/a/b", False),
        ("https://hub.example:444/a/b", False),
        ("https://cdn.hub.example/a/b", False),
        ("https://hub.example.evil/a/b", False),
        ("https://hub.example@evil/a/b", False),
    ],
)
def test_only_the_hub_itself_gets_the_token(url: str, has_token: bool) -> None:
    headers = Hub("https://hub.example/", "hf_secret").headers(url)
    assert ("hf_secret" in str(headers)) is has_token
    assert headers["Accept-Encoding"] == "identity"


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://a.example/x") == ("https", "a.example", 443)
    assert origin("http://127.0.0.1:80") == origin("http://127.0.0.1/")


def test_a_listing_names_the_commit_and_each_file_by_its_content() -> None:
    with HubServer({REPO: {"config.json": b"{}", "model.bin": b"weights"}}) as hub:
        listing = Hub(hub.endpoint, token=False).listing(REPO, "main")
    assert listing.commit == hub.push(REPO, {"config.json": b"{}", "model.bin": b"weights"})
    etags = {file.name: (file.size_bytes, len(file.etag)) for file in listing.files}
    assert etags == {"config.json": (2, 40), "model.bin": (7, 64)}


def test_a_retry_that_the_hub_asks_for_is_told() -> None:
    with HubServer({REPO: {"config.json": b"{}"}}) as hub:
        hub.faults.statuses.append(429)
        hub.faults.retry_after_s = 7
        with pytest.raises(HubError) as caught:
            Hub(hub.endpoint, token=False).listing(REPO, "main")
    assert (caught.value.passing, caught.value.wait_s) == (True, 7.0)


def test_a_stream_begins_with_its_place() -> None:
    with HubServer({REPO: {"config.json": b"0123456789"}}) as server:
        hub = Hub(server.endpoint, token=False)
        commit = hub.listing(REPO, "main").commit
        head, *blocks = hub.stream(REPO, commit, "config.json", 4, None).read()
    assert isinstance(head, Head)
    assert (head.start, head.anew) == (4, False)
    assert b"".join(block for block in blocks if isinstance(block, bytes)) == b"456789"


def test_a_private_repository_does_not_exist_for_others() -> None:
    with HubServer({REPO: {"config.json": b"{}"}}) as server:
        server.faults.private.add(REPO)
        server.faults.tokens.add("mine")
        with pytest.raises(HubError, match="or it is private") as caught:
            Hub(server.endpoint, token=False).listing(REPO, "main")
        assert caught.value.code == "model_not_found"
        assert Hub(server.endpoint, token="mine").listing(REPO, "main").files


def test_the_library_itself_can_download_from_the_stand_in(tmp_path: Path) -> None:
    files = ct2_files()
    with HubServer({REPO: files}) as hub:
        for name, content in files.items():
            path = hf_hub_download(
                REPO, name, cache_dir=tmp_path, endpoint=hub.endpoint, token=False
            )
            assert Path(path).read_bytes() == content
