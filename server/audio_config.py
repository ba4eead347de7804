"""The format of audio as clients ask for it. Pure."""

from __future__ import annotations

from audio.types import AudioError, AudioFormat, ChannelMode, Encoding
from server.protocol import AudioConfig, ProtocolError


def format_of(request: AudioConfig) -> AudioFormat:
    """The format that a client asks for. Raises ProtocolError."""
    try:
        return AudioFormat(
            encoding=Encoding(request.encoding),
            sample_rate_hz=request.sample_rate,
            channels=request.channels,
            channel_mode=ChannelMode(request.channel_mode),
        )
    except AudioError as error:
        raise ProtocolError(error.code, error.message, request.request_id) from error
    except ValueError as error:
        raise ProtocolError(
            "bad_encoding",
            f"encoding is one of {', '.join(e.value for e in Encoding)}, channel_mode mix or "
            f"split; not {request.encoding[:40]!r}, {request.channel_mode[:40]!r}",
            request.request_id,
        ) from error
