"""What is measured as it happens, for `/metrics`; the rest is read when it is asked for."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, PlatformCollector, ProcessCollector

LATENCY_BUCKETS_S = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 60.0)
DECODE_BUCKETS_S = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 60.0)


class Instruments:
    """Histograms and their registry, one of each server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._final_latency = Histogram(
            "thai_asr_final_latency_seconds",
            "From an utterance's last sample received to its final sent",
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._decode = Histogram(
            "thai_asr_decode_seconds",
            "Wall time of the decode that an utterance was in",
            ["kind"],
            buckets=DECODE_BUCKETS_S,
            registry=self.registry,
        )

    def final_sent(self, latency_s: float) -> None:
        """A final was sent this long after its last sample had been received."""
        self._final_latency.observe(latency_s)

    def decoded(self, kind: str, decode_s: float) -> None:
        """A decode came back."""
        self._decode.labels(kind).observe(decode_s)
