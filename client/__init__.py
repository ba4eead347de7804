"""The client as a library; docs/python_client.md tells how to use it.

async with connect() as asr:
    async for event in asr.transcribe(audio):
        if isinstance(event, FinalTranscription):
            print(event.text)
"""

from __future__ import annotations

from client.addresses import AddressError
from client.errors import (
    ClientError,
    ConnectError,
    ConnectionLostError,
    ModelLoadError,
    RequestFailedError,
)
from client.opening import connect
from client.sources import FileError, read_file
from client.stream import AsrConnection
from server.messages import (
    AudioEndAck,
    Connected,
    ErrorEvent,
    Event,
    FinalTranscription,
    Notice,
    RealtimeTranscription,
    RecordingStateEvent,
    ServerShutdown,
    ServerStatus,
    SpeechEndedEvent,
    SpeechStartedEvent,
)
from server.model_messages import (
    AvailableModels,
    LoadCancelled,
    ModelLoaded,
    ModelPhase,
    ModelProgress,
)

__all__ = [
    "AddressError",
    "AsrConnection",
    "AudioEndAck",
    "AvailableModels",
    "ClientError",
    "ConnectError",
    "Connected",
    "ConnectionLostError",
    "ErrorEvent",
    "Event",
    "FileError",
    "FinalTranscription",
    "LoadCancelled",
    "ModelLoadError",
    "ModelLoaded",
    "ModelPhase",
    "ModelProgress",
    "Notice",
    "RealtimeTranscription",
    "RecordingStateEvent",
    "RequestFailedError",
    "ServerShutdown",
    "ServerStatus",
    "SpeechEndedEvent",
    "SpeechStartedEvent",
    "connect",
    "read_file",
]
