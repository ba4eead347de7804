"""Whatever breaks off a download, and however often, the bytes are the same in the end."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.engine import EngineError
from tests.support.downloads import REPO, DownloadRig, contents, ct2_files
from tests.support.hub_server import HubServer

FILES = ct2_files(200_000)
MODEL_BYTES = len(FILES["model.bin"])

break_offs = st.lists(st.integers(0, MODEL_BYTES + 10), max_size=12)


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer({REPO: FILES}) as server:
        yield server


@settings(max_examples=40)
@given(breaks=break_offs, ranges=st.booleans(), generations=st.lists(st.integers(0, 1), max_size=3))
def test_any_sequence_of_break_offs_gives_the_same_bytes(
    hub: HubServer, breaks: list[int], ranges: bool, generations: list[int]
) -> None:
    hub.requests.clear()
    hub.faults.ranges = ranges
    hub.faults.break_after = deque(breaks)
    hub.faults.cdn_generation = 0
    later = iter(generations)
    with tempfile.TemporaryDirectory() as folder:
        rig, codes = DownloadRig(hub, Path(folder)), set[str]()
        while True:
            try:
                found = rig.run()
            except EngineError as error:
                codes.add(error.code)
                hub.faults.cdn_generation = next(later, hub.faults.cdn_generation)
            else:
                break
        assert contents(found) == FILES
        assert codes <= {"no_network"}
        assert rig.leftovers() == []
    if ranges and not any(generations):
        fetches = hub.fetched("model.bin")
        assert sum(fetch.sent_bytes for fetch in fetches) == MODEL_BYTES, "no byte came twice"
