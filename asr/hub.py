"""The Hugging Face hub over plain HTTP: a repository's files, and the bytes of one from a place on.

Every method blocks; the longest waits are those of `Patience`.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard
from urllib.parse import urljoin, urlsplit

from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from asr.download_plan import RepoFile, RepoListing, may_be_needed
from asr.hub_errors import HubError, host_of, hub_error, no_answer, unavailable

DEFAULT_REVISION: Final = "main"

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MAX_REDIRECTS: Final = 10
_WHOLE, _PART, _CHANGED, _BEYOND_END = 200, 206, 412, 416
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_ETAG: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_STRONG_ETAG: Final = re.compile(r'"[!#-~]*"')
_ERROR_CODE: Final = "X-Error-Code"
"""A header that a hub's refusals have, and a CDN's have not."""

Origin = tuple[str, str, int | None]
"""Scheme, host and port: who gets a token, and whom an etag is good for."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a line, and how often to try one that breaks."""

    connect_s: float = 10.0
    stall_s: float = 20.0
    """A line that brings nothing for so long counts as broken."""
    attempts: int = 5
    """Tries in a row that bring (next to) nothing."""
    first_wait_s: float = 0.5
    longest_wait_s: float = 8.0
    longest_asked_wait_s: float = 60.0
    """A hub that asks for a longer one waits no longer than this."""

    def wait_s(self, failures: int, asked_s: float | None = None) -> float:
        """Before the next try, after so many failures in a row (from 1)."""
        own_s = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (failures - 1))
        return max(own_s, min(asked_s or 0.0, self.longest_asked_wait_s))


@dataclass(frozen=True, slots=True)
class Validator:
    """The strong etag (`strong_etag`) under which a server gave bytes."""

    origin: str
    etag: str


@dataclass(frozen=True, slots=True)
class Head:
    """What a server says before the bytes. `anew`: what is there is of no use, begin at 0."""

    start: int
    anew: bool
    validator: Validator | None


class Hub:
    """One hub. `endpoint` and `token` are by default those of HF_ENDPOINT and HF_TOKEN."""

    def __init__(
        self,
        endpoint: str | None = None,
        token: str | bool | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self.patience = patience or Patience()
        self._token = token

    def listing(self, repo: str, revision: str) -> RepoListing:
        """The files at a revision and the commit that it means now. Raises HubError."""
        try:
            info = HfApi(self.endpoint, token=self._token).model_info(
                repo,
                revision=revision,
                timeout=self.patience.stall_s,
                files_metadata=True,
            )
            if not is_commit(info.sha):  # it becomes the name of a folder
                raise ValueError("it names no commit")
            siblings = info.siblings or []
            files = tuple(
                self._described(repo, info.sha, sibling)
                for sibling in siblings
                if may_be_needed(sibling.rfilename)
            )
            others = tuple(s.rfilename for s in siblings if not may_be_needed(s.rfilename))
        except Exception as error:  # the library does not say what it raises for odd answers
            raise hub_error(error, repo, revision, self.endpoint) from error
        return RepoListing(repo, info.sha, files, others)

    def _described(self, repo: str, commit: str, sibling: RepoSibling) -> RepoFile:
        name = sibling.rfilename
        etag = sibling.lfs.sha256 if sibling.lfs is not None else sibling.blob_id
        size = sibling.lfs.size if sibling.lfs is not None else sibling.size
        if etag is None or size is None:  # mirrors may leave them out
            found = get_hf_file_metadata(
                self.url(repo, commit, name),
                token=self._token,
                timeout=self.patience.stall_s,
                endpoint=self.endpoint,
            )
            etag, size = found.etag, found.size
        if not isinstance(size, int) or size < 0 or etag is None or not _ETAG.fullmatch(etag):
            raise ValueError(f"no size or checksum of {name}")
        return RepoFile(name, size, etag)

    def url(self, repo: str, commit: str, name: str) -> str:
        """Where a file's bytes are to be had."""
        return hf_hub_url(repo, name, revision=commit, endpoint=self.endpoint)

    def stream(
        self, repo: str, commit: str, name: str, start: int, validator: Validator | None
    ) -> ByteStream:
        """A file's bytes from `start` on, if it is still the one of `validator`."""
        return ByteStream(self, (repo, commit, name), start, validator)

    def headers(self, url: str) -> dict[str, str]:
        """Those of a request; the token goes to the hub itself alone."""
        headers: dict[str, str] = build_hf_headers(token=self._token)
        if origin(url) != origin(self.endpoint):
            headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
        # any other encoding would make positions meaningless
        return headers | {"Accept-Encoding": "identity"}


class ByteStream:
    """One request. `read` runs in one thread; `wake` may be called from another."""

    def __init__(
        self, hub: Hub, place: tuple[str, str, str], start: int, validator: Validator | None
    ) -> None:
        self._hub = hub
        self._repo, self._commit, name = place
        self._url = hub.url(self._repo, self._commit, name)
        self._asked = self._url
        self._start = start
        self._validator = validator
        self._socket: socket.socket | None = None

    def read(self) -> Iterator[Head | bytes]:
        """The head, then blocks of bytes as they come. Raises HubError, also within the bytes."""
        try:
            yield from self._follow(self._url)
        except Exception as error:
            host = host_of(self._asked)
            raise hub_error(error, self._repo, self._commit, self._hub.endpoint, host) from error

    def wake(self) -> None:
        """Break the line, so that a thread that waits for it goes on."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # closed meanwhile
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _follow(self, url: str) -> Iterator[Head | bytes]:
        patience = self._hub.patience
        limits = (patience.connect_s, patience.stall_s, patience.stall_s, patience.connect_s)
        for _ in range(_MAX_REDIRECTS):
            self._asked = url
            with get_session().stream(
                "GET", url, headers=self._headers(url), follow_redirects=False, timeout=limits
            ) as response:
                location = response.headers.get("Location")
                if response.status_code in _REDIRECTS and location:
                    url = urljoin(url, location)
                    continue
                self._socket = _socket_of(response.extensions)
                if response.status_code >= 400:
                    self._refuse(url, response)
                yield self._head(url, response.status_code, response.headers)
                if response.status_code in (_WHOLE, _PART):
                    yield from response.iter_bytes()
                return
        raise HubError("hub_unavailable", f"{self._url} leads in circles; check HF_ENDPOINT")

    def _headers(self, url: str) -> dict[str, str]:
        headers = self._hub.headers(url)
        if self._start > 0:
            headers["Range"] = f"bytes={self._start}-"
            # the etag of one server means nothing to another (the hub's own, a CDN's)
            if self._validator is not None and self._validator.origin == origin_text(url):
                headers["If-Match"] = self._validator.etag
        return headers

    def _refuse(self, url: str, response: Any) -> None:
        """Raise what a status from 400 means, but for the two that mean: begin anew."""
        status: int = response.status_code
        if status in (_CHANGED, _BEYOND_END) and self._start > 0:
            return
        is_hub = origin(url) == origin(self._hub.endpoint)
        if is_hub and (url == self._url or _ERROR_CODE in response.headers):
            hf_raise_for_status(response)
        # signed addresses of a CDN expire: the next try gets a new one from the hub
        raise unavailable(host_of(url), status)

    def _head(self, url: str, status: int, headers: Mapping[str, str]) -> Head:
        strong = strong_etag(headers.get("ETag", ""))
        validator = Validator(origin_text(url), strong) if strong else None
        if status == _WHOLE:
            return Head(0, self._start > 0, validator)
        if status == _PART:
            found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
            if found is None or int(found[1]) != self._start:
                raise no_answer(host_of(url), "it sent another part of the file")
            return Head(self._start, False, validator)
        if status in (_CHANGED, _BEYOND_END):
            return Head(0, True, None)
        raise unavailable(host_of(url), status)


def is_commit(revision: str | None) -> TypeGuard[str]:
    """Whether a revision can never mean anything else."""
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def strong_etag(text: str) -> str | None:
    """An ETag that may be sent back in If-Match; None for weak and malformed ones."""
    return text if _STRONG_ETAG.fullmatch(text) else None


def origin(url: str) -> Origin:
    """Scheme, host, port."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def origin_text(url: str) -> str:
    """The same as text."""
    scheme, host, port = origin(url)
    return f"{scheme}://{host}:{port}"


def _socket_of(extensions: Mapping[str, Any]) -> socket.socket | None:
    """The connection's socket, where the HTTP library tells."""
    stream = extensions.get("network_stream")
    found = stream.get_extra_info("socket") if stream is not None else None
    return found if isinstance(found, socket.socket) else None
