"""Sessions at run time: who is in one, what they hear, and what its pure core decides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from audio.types import FrontendConfig
from server.messages import ErrorEvent, Event, RecordingStateEvent, optional
from server.model_messages import ModelLoaded
from server.peer import Peer, Port
from server.problem import Problem
from server.protocol import encode
from server.replay import ReplayRing, SessionEvent
from server.resume_messages import SessionSnapshot
from server.session import Announce, Flush, Refused, SessionCore, SessionEffect
from server.settings import Settings

logger = logging.getLogger(__name__)

REPLAY_MARGIN_S = 15.0
"""A client notices a lost connection before the server, or after it."""


class AudioSource(Protocol):
    """An audio connection as its session commands it."""

    def flush(self) -> None:
        """End what is being said; the session hears `drained` when its finals are out."""
        ...

    def set_frontend(self, config: FrontendConfig) -> None:
        """Use other front-end settings for the audio that follows."""
        ...

    def end(self, problem: Problem) -> None:
        """Take no more audio."""
        ...

    async def drain(self) -> None:
        """Wait until every final so far is out."""
        ...

    def give_up(self, problem: Problem) -> None:
        """Name what got no final: there is no time left for it."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A place whose client is away: where that came from (`site_of`), and how the place ends."""

    site: str
    since_s: float
    give_up: Callable[[], None]


class Session:
    """A broadcast group: peers of both ports, one recording state, its own live settings."""

    def __init__(
        self,
        session_id: str,
        settings: Settings,
        clock: Callable[[], float],
        namespace: str = "",
    ) -> None:
        self.id = session_id
        self.namespace = namespace
        self.settings = settings
        self.core = SessionCore(session_id)
        self._clock = clock
        self._peers: dict[str, Peer] = {}
        self._sources: dict[str, AudioSource] = {}
        self._kept: dict[str, Kept] = {}
        self._ring = ReplayRing(settings.resume_s + REPLAY_MARGIN_S)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def empty(self) -> bool:
        """Nobody is here or may come back, and no audio is being drained."""
        return not self._peers and not self._sources and not self._kept

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Everybody who hears this session."""
        return tuple(self._peers.values())

    @property
    def stream_count(self) -> int:
        """Audio connections that may send."""
        return len(self._sources)

    def join(self, peer: Peer) -> None:
        """A connection joined; it hears what follows."""
        self._peers[peer.id] = peer

    def leave(self, peer: Peer) -> None:
        """A connection is gone."""
        self._peers.pop(peer.id, None)

    def attach(self, connection: str, source: AudioSource) -> None:
        """An audio connection that may send joined."""
        self._sources[connection] = source
        self.core.attach(connection)

    def detach(self, connection: str) -> None:
        """An audio connection is drained and gone."""
        self._sources.pop(connection, None)
        self.apply(self.core.detach(connection))

    def hold(self, connection: str, kept: Kept) -> None:
        """A connection was lost, and its client may come back: the session stays until `unhold`."""
        self._kept[connection] = kept

    def unhold(self, connection: str) -> None:
        """That client is back, or will not come."""
        self._kept.pop(connection, None)

    @property
    def kept(self) -> tuple[Kept, ...]:
        """Places whose clients may come back."""
        return tuple(self._kept.values())

    @property
    def kept_streams(self) -> tuple[Kept, ...]:
        """Those of them that may send."""
        return tuple(kept for name, kept in self._kept.items() if name in self._sources)

    def broadcast(self, event: SessionEvent) -> None:
        """Say something to everybody of this session: encoded once, and nobody waits."""
        told = self._ring.note(event, self._clock())
        for peer in self._peers.values():
            peer.send_encoded(told.event, told.text)

    def tell(self, connection: str, event: SessionEvent) -> None:
        """Say something to one connection, now or when it is back."""
        told = self._ring.note(event, self._clock(), connection)
        peer = self._peers.get(connection)
        if peer is not None:
            peer.send_encoded(told.event, told.text)

    def say(self, event: Event) -> None:
        """Say something to who is here now."""
        text = encode(event)
        for peer in self._peers.values():
            peer.send_encoded(event, text)

    @property
    def last_event_id(self) -> int:
        """The number of the newest event."""
        return self._ring.last_id

    def send_missed(self, peer: Peer, last_event_id: int) -> bool:
        """Say again what a client has not heard; False if some of that is forgotten."""
        missed = self._ring.since(last_event_id, peer.id, self._clock())
        for told in missed.told:
            peer.send_missed(told.event, told.text)
        return missed.complete

    def send_snapshot(self, peer: Peer) -> None:
        """Say what was said lately and what is being said, if anything is."""
        finals, partials = self._ring.latest_texts(self._clock())
        if finals or partials:
            snapshot = SessionSnapshot(
                session_id=self.id,
                recording_state=self.core.state.value,
                finals=finals,
                partials=partials,
                last_event_id=self._ring.last_id,
            )
            peer.send_missed(snapshot, encode(snapshot))

    def forget_old(self) -> None:
        """Let go of events that nobody can come back for any more."""
        self._ring.forget(self._clock())

    def takes_audio(self, connection: str, request_id: str | None = None) -> bool:
        """Audio arrived: whether it is taken. Starts recording, or says why not."""
        accepted = self.core.accepts(connection)
        self.apply(self.core.audio(connection, self._clock(), request_id))
        return accepted

    def stop(self, request_id: str | None) -> None:
        """Finish what was said, then take no audio until started again."""
        self.apply(self.core.stop(request_id, self._clock()))

    def start(self, request_id: str | None) -> None:
        """Take audio from now on."""
        self.apply(self.core.start(request_id))

    def change(self, changes: Mapping[str, object]) -> None:
        """Change this session's settings. Raises SettingError and changes nothing."""
        self.settings = self.settings.changed(changes)
        for source in self._sources.values():
            source.set_frontend(self.settings.frontend())

    def apply(self, effects: list[SessionEffect]) -> None:
        """Carry out what the core decided."""
        for effect in effects:
            match effect:
                case Announce():
                    self._announce(effect)
                case Flush():
                    self._sources[effect.connection].flush()
                case Refused():
                    self._refuse(effect)
        self._reschedule()

    def sources(self, connection: str | None = None) -> list[AudioSource]:
        """Those who may send audio: all, or the one that a connection is, if it is one."""
        return [source for name, source in self._sources.items() if connection in (None, name)]

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _announce(self, announce: Announce) -> None:
        self.broadcast(
            RecordingStateEvent(
                state=announce.state.value,
                session_id=self.id,
                reason=announce.reason,
                request_id=optional(announce.request_id),
            )
        )

    def _refuse(self, refused: Refused) -> None:
        self.tell(
            refused.connection,
            ErrorEvent(
                code="not_recording",
                message="recording was stopped, so this audio is not taken; "
                "send start_recording on the control port (or audio_config here)",
                session_id=self.id,
                request_id=optional(refused.request_id),
            ),
        )

    def _reschedule(self) -> None:
        self.close()
        wake_at = self.core.wake_at
        if wake_at is not None:
            delay_s = max(0.0, wake_at - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.apply(self.core.tick(self._clock()))


class SessionRegistry:
    """All sessions by namespace and name. A session lives while somebody is in it."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._sessions: dict[tuple[str, str], Session] = {}
        self._told_model: str | None = None

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that exist."""
        return tuple(self._sessions.values())

    def enter(self, session_id: str, namespace: str = "") -> Session:
        """The session of that name in a namespace, made if it is new."""
        key = (namespace, session_id)
        session = self._sessions.get(key)
        if session is None:
            session = Session(session_id, self._settings, self._clock, namespace)
            self._sessions[key] = session
            logger.info("session %s: opened", session_id)
        return session

    def release(self, session: Session) -> None:
        """Forget a session that nobody is in."""
        key = (session.namespace, session.id)
        if session.empty and self._sessions.get(key) is session:
            session.close()
            del self._sessions[key]
            logger.info("session %s: closed", session.id)

    def tell_control(self, event: Event, but: Peer | None = None) -> None:
        """Say something to every control connection of every session (but one)."""
        text = encode(event)
        for session in self._sessions.values():
            for peer in session.peers:
                if peer.port is Port.CONTROL and peer is not but:
                    peer.send_encoded(event, text)

    def tell_of_model(self, event: ModelLoaded, but: Peer | None) -> None:
        """Tell the others of a new model: once, however many asked for it."""
        if event.model_id != self._told_model:
            self._told_model = event.model_id
            self.tell_control(event, but)

    def tell_everyone(self, event: Event) -> None:
        """Say something to every connection that wants to hear it."""
        for session in self._sessions.values():
            session.say(event)
