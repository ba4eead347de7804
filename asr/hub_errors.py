"""What can go wrong with a model hub, in words that say what to do."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from asr.engine import EngineError

TRANSPORT_ERROR: Final[type[Exception]] = HfHubHTTPError.__bases__[0]
"""The base of all errors of the HTTP library, which differs between versions of the hub's."""

KEPT: Final = "what was fetched is kept, and the next try goes on from there"

_PASSING: Final = (408, 429, 500, 502, 503, 504)


class HubError(EngineError):
    """`passing`: another try may succeed, after `wait_s` if the hub said so.

    `brief` is what happened, without what to do.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        brief: str = "",
        passing: bool = False,
        wait_s: float | None = None,
    ) -> None:
        super().__init__(code, message)
        self.brief = brief or message
        self.passing = passing
        self.wait_s = wait_s


def offline_error() -> HubError:
    """Downloads are switched off."""
    return HubError(
        "offline",
        "downloads are switched off (--offline, THAI_ASR_OFFLINE or HF_HUB_OFFLINE); start without "
        "it, or copy the model to this machine (docs/downloading.md)",
    )


def hub_error(
    error: Exception, repo: str, revision: str, endpoint: str, host: str | None = None
) -> HubError:
    """An error of the hub's library, or of what lies beneath it, as ours.

    `host` was asked, where that was not the hub itself.
    """
    if isinstance(error, HubError):
        return error
    if isinstance(error, OfflineModeIsEnabled):
        return offline_error()
    if isinstance(error, HfHubHTTPError):
        return _refusal(error, repo, revision, endpoint)
    host = host or host_of(endpoint)
    if isinstance(error, TRANSPORT_ERROR | OSError):
        brief = f"no line to {host} ({_reason(error)})"
        return HubError(
            "no_network",
            f"{brief}; check the network, and behind a proxy HTTPS_PROXY; then try again: {KEPT}",
            brief=brief,
            passing=True,
        )
    return HubError(
        "hub_unavailable",
        f"{host} did not answer as a model hub does ({_reason(error)}); a proxy or a log-in page "
        "may stand between, or HF_ENDPOINT may be wrong",
    )


def no_answer(host: str, why: str) -> HubError:
    """The line broke, or a server behind the hub refused: another try may do."""
    return HubError(
        "no_network", f"the line to {host} broke: {why}; try again: {KEPT}", passing=True
    )


def unavailable(host: str, status: int, wait_s: float | None = None) -> HubError:
    """It answers that it cannot."""
    brief = f"{host} does not serve it now (status {status})"
    return HubError(
        "hub_unavailable",
        f"{brief}; try again in a few minutes: {KEPT}",
        brief=brief,
        passing=True,
        wait_s=wait_s,
    )


def host_of(url: str) -> str:
    """The name of a URL's host, for messages."""
    return urlsplit(url).hostname or url


def _refusal(error: HfHubHTTPError, repo: str, revision: str, endpoint: str) -> HubError:
    status = error.response.status_code
    page = f"{endpoint}/{repo}"
    if isinstance(error, GatedRepoError) or (
        status in (401, 403) and not isinstance(error, RepositoryNotFoundError)
    ):
        return HubError(
            "gated_model",
            f"{repo} is not given to everybody (status {status}): log in at {page}, accept its "
            "terms there, make a token that may read it and set HF_TOKEN to it (or run "
            "`hf auth login`); then try again",
        )
    if isinstance(error, RevisionNotFoundError):
        return _not_found(f"{repo} has no revision {revision}; check `revision` in models.yaml")
    if isinstance(error, RepositoryNotFoundError):
        return _not_found(
            f"there is no repository {repo} at {host_of(endpoint)}, or it is private; check `repo` "
            f"in models.yaml at {page}, and if it is private set HF_TOKEN"
        )
    if isinstance(error, EntryNotFoundError) or status == 404:
        return _not_found(
            f"a file of {repo} is not there at {revision} ({error.response.url}); check `repo` and "
            "`revision` in models.yaml"
        )
    if status in _PASSING:
        return unavailable(host_of(endpoint), status, _retry_after_s(error))
    return HubError(
        "hub_unavailable",
        f"{host_of(endpoint)} refuses {repo} (status {status}): {_reason(error)}",
    )


def _not_found(message: str) -> HubError:
    return HubError("model_not_found", message)


def _retry_after_s(error: HfHubHTTPError) -> float | None:
    text = str(error.response.headers.get("Retry-After", ""))
    return float(text) if text.isdecimal() else None


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
