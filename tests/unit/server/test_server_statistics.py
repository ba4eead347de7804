"""Counters."""

from __future__ import annotations

from server.statistics import ServerStatistics


def test_counters_add_up_and_come_sorted() -> None:
    statistics = ServerStatistics()
    assert statistics.snapshot() == {}
    statistics.add("finals")
    statistics.add("audio_received_s", 0.1)
    statistics.add("audio_received_s", 0.2)
    statistics.add("finals")
    assert list(statistics.snapshot().items()) == [("audio_received_s", 0.3), ("finals", 2)]


def test_a_snapshot_is_of_its_moment() -> None:
    statistics = ServerStatistics()
    statistics.add("finals")
    before = statistics.snapshot()
    statistics.add("finals")
    assert before == {"finals": 1}
