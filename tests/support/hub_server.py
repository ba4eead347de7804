"""A model hub on localhost: repositories from folders, over real HTTP, with faults to order.

    with HubServer({"owner/name": folder}) as hub:
        ModelDownloader(endpoint=hub.endpoint, ...)
        assert hub.fetched("model.bin") == [Fetch(start=0, sent_bytes=...)]

As on the real hub, large files lie elsewhere: a second port stands for the CDN (`cdn=True`), with
etags of its own. `hub.faults` may be changed at any time.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

Content = bytes | Path
Repo = Path | Mapping[str, Content]

LFS_FROM_BYTES = 10_000
LFS_SUFFIXES = (".bin", ".safetensors")
BLOCK_BYTES = 16_384
SLICE_S = 0.02


@dataclass
class Faults:
    """What goes wrong, and how slow it is. Names are of files; counts are of bytes sent."""

    bytes_per_s: float | None = None
    break_after: deque[int] = field(default_factory=deque)
    """Each body of an LFS file takes the next one and breaks off after so many bytes."""
    stall_after: int | None = None
    """Bodies of LFS files stop there, and the line stays open."""
    stall_answers: bool = False
    """No request is answered."""
    corrupt: set[str] = field(default_factory=set)
    """Served with another last byte than the checksum is of."""
    gated: set[str] = field(default_factory=set)
    """Repositories whose files need one of `tokens`."""
    private: set[str] = field(default_factory=set)
    """Repositories that do not exist for those without one of `tokens`."""
    tokens: set[str] = field(default_factory=set)
    statuses: deque[int] = field(default_factory=deque)
    """Each request takes the next one and fails with it; 0 lets it pass."""
    retry_after_s: int | None = None
    ranges: bool = True
    """Whether Range is understood."""
    parts_begin_early_bytes: int = 0
    """A part begins so much before the place that was asked for."""
    bare_listing: bool = False
    """Sizes and checksums are left out of the listing, as some mirrors do."""
    hang_ups: deque[str] = field(default_factory=deque)
    """Each request takes the next one: `` lets it pass, `close` and `reset` end the line without an
    answer, `head` within one, `body` ten bytes into one of a thousand."""
    edit_listing: Callable[[dict[str, Any]], None] = lambda answer: None
    """Changes a listing before it is sent."""
    byte_headers: dict[str, str] = field(default_factory=dict)
    """Sent with a file's bytes, in place of the true ones."""
    redirect: str | None = None
    """Where every request for a file is sent."""
    redirect_listing: str | None = None
    """Where every request for a listing is sent."""
    cdn_generation: int = 0
    """A CDN with another number has other etags for the same content."""


@dataclass
class Request:
    """One that came."""

    port: str
    """`hub` or `cdn`."""
    method: str
    path: str
    headers: Mapping[str, str]
    name: str = ""
    """Of the file whose bytes were sent, if any."""
    start: int = 0
    sent_bytes: int = 0

    @property
    def token(self) -> str | None:
        return self.headers.get("authorization")


@dataclass(frozen=True)
class Fetch:
    """A request that got (some of) a file's bytes."""

    start: int
    sent_bytes: int


@dataclass(frozen=True)
class File:
    """One at a commit."""

    name: str
    content: Content
    size_bytes: int
    sha256: str
    git_sha1: str

    @property
    def is_lfs(self) -> bool:
        return self.name.endswith(LFS_SUFFIXES) or self.size_bytes >= LFS_FROM_BYTES

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_lfs else self.git_sha1

    def blocks(self, start: int, size: int) -> Iterator[bytes]:
        if isinstance(self.content, bytes):
            for position in range(start, self.size_bytes, size):
                yield self.content[position : position + size]
            return
        with self.content.open("rb") as handle:
            handle.seek(start)
            while block := handle.read(size):
                yield block


def file_of(name: str, content: Content) -> File:
    sha256 = hashlib.sha256()
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    git = hashlib.sha1(b"blob %d\0" % size)
    for block in File(name, content, size, "", "").blocks(0, 1 << 20):
        sha256.update(block)
        git.update(block)
    return File(name, content, size, sha256.hexdigest(), git.hexdigest())


class HubServer:
    """A context manager. Requests that came are in `requests`, in their order."""

    def __init__(self, repos: Mapping[str, Repo], *, cdn: bool = True) -> None:
        self.faults = Faults()
        self.requests: list[Request] = []
        self.closed = threading.Event()
        self.stalled = threading.Event()
        """A body stopped at `stall_after`."""
        self._commits: dict[tuple[str, str], dict[str, File]] = {}
        self._branches: dict[tuple[str, str], str] = {}
        for repo, content in repos.items():
            self.push(repo, content)
        self._hub = _Port("hub", self)
        self._cdn = _Port("cdn", self) if cdn else None

    def __enter__(self) -> HubServer:
        self._hub.start()
        if self._cdn is not None:
            self._cdn.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closed.set()
        self._hub.close()
        if self._cdn is not None:
            self._cdn.close()

    @property
    def endpoint(self) -> str:
        return self._hub.url

    @property
    def cdn_url(self) -> str | None:
        return None if self._cdn is None else self._cdn.url

    def push(self, repo: str, content: Repo, branch: str = "main") -> str:
        """A new commit of a branch; its hash."""
        if isinstance(content, Path):
            paths = (path for path in sorted(content.rglob("*")) if path.is_file())
            content = {path.relative_to(content).as_posix(): path for path in paths}
        files = {name: file_of(name, part) for name, part in content.items()}
        listing = "".join(f"{name} {file.sha256}\n" for name, file in sorted(files.items()))
        commit = hashlib.sha1(f"{repo}\n{listing}".encode()).hexdigest()
        self._commits[repo, commit] = files
        self._branches[repo, branch] = commit
        return commit

    def fetched(self, name: str) -> list[Fetch]:
        """The requests that got bytes of a file, in order."""
        return [Fetch(r.start, r.sent_bytes) for r in self.requests if r.name == name]

    def resolve(self, repo: str, revision: str) -> tuple[str, dict[str, File]] | None:
        commit = self._branches.get((repo, revision), revision)
        files = self._commits.get((repo, commit))
        return None if files is None else (commit, files)

    def knows(self, repo: str) -> bool:
        return any(known == repo for known, _ in self._commits)

    def by_sha256(self, sha256: str) -> File | None:
        files = (file for listing in self._commits.values() for file in listing.values())
        return next((file for file in files if file.sha256 == sha256), None)


class _Port(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, name: str, hub: HubServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.hub = hub
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), name=f"{name} port"
        )

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Port

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.server.hub
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.request_seen = Request(self.server.name, self.command, self.path, headers)
        hub.requests.append(self.request_seen)
        if hub.faults.stall_answers:
            hub.closed.wait()
            self.close_connection = True
            return
        if hub.faults.hang_ups and (how := hub.faults.hang_ups.popleft()):
            self._hang_up(how)
            return
        if hub.faults.statuses and (status := hub.faults.statuses.popleft()):
            extra = {}
            if hub.faults.retry_after_s is not None:
                extra["Retry-After"] = str(hub.faults.retry_after_s)
            self._say(status, extra)
            return
        path = unquote(urlsplit(self.path).path)
        if found := re.fullmatch(r"/bytes/([0-9a-f]{64})", path):
            self._bytes_of(found[1])
        elif self.server.name == "cdn":
            self._say(404)
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._listing(found[1], found[2] or "main")
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[2], found[3])
        else:
            self._say(404)

    def _hang_up(self, how: str) -> None:
        if how == "head":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        elif how == "body":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789")
        elif how == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.rfile.close()
            self.connection.close()
        if how != "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    # -- what a hub says -----------------------------------------------------------------------
    def _found(self, repo: str, revision: str) -> tuple[str, dict[str, File]] | None:
        hub = self.server.hub
        if not hub.knows(repo) or (repo in hub.faults.private and not self._has_token()):
            self._say(401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no repository"})
            return None
        found = hub.resolve(repo, revision)
        if found is None:
            self._say(404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "no revision"})
        return found

    def _has_token(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return given in self.server.hub.faults.tokens

    def _listing(self, repo: str, revision: str) -> None:
        found = self._found(repo, revision)
        if found is None:
            return
        if (place := self.server.hub.faults.redirect_listing) is not None:
            self._say(302, {"Location": place})
            return
        commit, files = found
        siblings: list[dict[str, object]] = []
        for file in files.values():
            entry: dict[str, object] = {"rfilename": file.name}
            if not self.server.hub.faults.bare_listing:
                entry |= {"size": file.size_bytes, "blobId": file.git_sha1}
                if file.is_lfs:
                    entry["lfs"] = {
                        "sha256": file.sha256,
                        "size": file.size_bytes,
                        "pointerSize": 134,
                    }
            siblings.append(entry)
        answer = {"id": repo, "modelId": repo, "sha": commit, "siblings": siblings}
        self.server.hub.faults.edit_listing(answer)
        self._say(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def _resolve(self, repo: str, revision: str, name: str) -> None:
        found = self._found(repo, revision)
        if found is None:
            return
        commit, files = found
        extra = {"X-Repo-Commit": commit}
        hub = self.server.hub
        if hub.faults.redirect is not None:
            self._say(302, {"Location": hub.faults.redirect})
            return
        if repo in hub.faults.gated and not self._has_token():
            status = 403 if "Authorization" in self.headers else 401
            self._say(status, extra | {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"})
        elif name not in files:
            self._say(404, extra | {"X-Error-Code": "EntryNotFound", "X-Error-Message": "no file"})
        elif files[name].is_lfs:
            file = files[name]
            extra["X-Linked-Etag"] = f'"{file.sha256}"'
            extra["X-Linked-Size"] = str(file.size_bytes)
            extra["Location"] = f"{hub.cdn_url or ''}/bytes/{file.sha256}?signature=1"
            self._say(302, extra)
        else:
            self._send_file(files[name], f'"{files[name].git_sha1}"', extra)

    def _bytes_of(self, sha256: str) -> None:
        file = self.server.hub.by_sha256(sha256)
        if file is None:
            self._say(404)
            return
        generation = self.server.hub.faults.cdn_generation
        self._send_file(file, f'"cdn{generation}-{sha256[:12]}"', {})

    # -- bytes ---------------------------------------------------------------------------------
    def _send_file(self, file: File, etag: str, extra: dict[str, str]) -> None:
        wanted = self.headers.get("If-Match")
        if wanted not in (None, etag, "*"):
            self._say(412)
            return
        extra |= {"ETag": etag, "Accept-Ranges": "bytes"}
        start, status = 0, 200
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        may_be_part = self.headers.get("If-Range") in (None, etag)
        if found and self.server.hub.faults.ranges and may_be_part:
            early = self.server.hub.faults.parts_begin_early_bytes
            start, status = max(0, int(found[1]) - early), 206
            if start >= file.size_bytes:
                self._say(416, {"Content-Range": f"bytes */{file.size_bytes}"})
                return
            extra["Content-Range"] = f"bytes {start}-{file.size_bytes - 1}/{file.size_bytes}"
        self.send_response(status)
        for name, value in (extra | self.server.hub.faults.byte_headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(file.size_bytes - start))
        self.end_headers()
        if self.command == "GET":
            self.request_seen.name, self.request_seen.start = file.name, start
            self._send_bytes(file, start)

    def _send_bytes(self, file: File, start: int) -> None:
        hub, faults = self.server.hub, self.server.hub.faults
        limit = faults.break_after.popleft() if file.is_lfs and faults.break_after else None
        stall = faults.stall_after if file.is_lfs else None
        rate = faults.bytes_per_s
        size = BLOCK_BYTES if rate is None else max(1, min(BLOCK_BYTES, round(rate * SLICE_S)))
        position = start
        for block in file.blocks(start, size):
            data = block
            position += len(block)
            if file.name in faults.corrupt and position == file.size_bytes:
                data = block[:-1] + bytes([block[-1] ^ 1])
            sent = self.request_seen.sent_bytes
            for end in (limit, stall):
                if end is not None:
                    data = data[: end - sent]
            self.wfile.write(data)
            self.request_seen.sent_bytes += len(data)
            sent = self.request_seen.sent_bytes
            if stall is not None and sent >= stall:
                hub.stalled.set()
                hub.closed.wait()
            if hub.closed.is_set() or (limit is not None and sent >= limit):
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            if rate is not None:
                hub.closed.wait(len(data) / rate)

    def _say(self, status: int, extra: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
