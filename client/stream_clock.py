"""Where on its source a stream's audio lies, as audio between may be missing in it. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

GAPS_LIMIT = 1024


class StreamClock:
    """Bytes of the present stream against bytes of the source.

    Bound: GAPS_LIMIT gaps. Overflow: the oldest is forgotten; times before it come out late.
    """

    def __init__(self) -> None:
        self.size = 0
        """How much the stream was given."""
        self._streams = [0]
        self._sources = [0]
        """Where each piece without a gap begins, on the stream and on the source."""

    def begin(self, source: int) -> None:
        """A stream begins, with the source's byte `source`."""
        self.size = 0
        self._streams, self._sources = [0], [source]

    def give(self, source: int, size: int) -> None:
        """The stream is given so many bytes next, which begin at `source`."""
        if source != self._sources[-1] + self.size - self._streams[-1]:
            self._streams.append(self.size)
            self._sources.append(source)
            if len(self._streams) > GAPS_LIMIT:
                del self._streams[0], self._sources[0]
        self.size += size

    def source_of(self, stream: int) -> int:
        """Where on the source a byte of the stream lies; at a gap, before it."""
        piece = max(0, bisect_left(self._streams, stream) - 1)
        return self._sources[piece] + max(0, stream - self._streams[piece])

    def stream_of(self, source: int) -> int:
        """How much the stream was given of what lies before a byte of the source."""
        piece = max(0, bisect_right(self._sources, source) - 1)
        ends = [*self._streams[piece + 1 : piece + 2], self.size]
        return min(ends[0], self._streams[piece] + max(0, source - self._sources[piece]))
