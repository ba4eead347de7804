"""`--doctor`: can models be downloaded? One short request, and no secrets in what is said."""

from __future__ import annotations

import email.utils
import json
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from huggingface_hub import constants, get_token

from server.child import last_line, run_python
from server.findings import Finding, note, ok, warning

LIMIT_S = 8.0
MAX_SKEW_S = 300.0


ASK = """\
import json, sys
from huggingface_hub import get_session
try:
    answer = get_session().head(sys.argv[1], timeout=5.0, follow_redirects=False)
    print(json.dumps({"headers": dict(answer.headers)}))
except Exception as error:
    print(json.dumps({"error": str(error) or type(error).__name__}))
"""
"""Asked as downloads do it, with their proxies and certificates. In a process of its own, since
nothing bounds the look-up of a name."""


def ask_hub(address: str) -> Mapping[str, str]:
    """The headers of its answer, whatever its status. Raises OSError."""
    result = run_python(["-c", ASK, address], LIMIT_S)
    try:
        answer = json.loads(last_line(result.output))
    except ValueError:
        raise OSError(result.ending or last_line(result.errors)) from None
    if "error" in answer:
        raise OSError(answer["error"])
    headers: dict[str, str] = answer["headers"]
    return headers


def check_hub(
    offline: bool,
    address: str = constants.ENDPOINT,
    ask: Callable[[str], Mapping[str, str]] = ask_hub,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Finding]:
    """Whether the model hub answers, and whether its clock agrees with ours."""
    if offline or constants.HF_HUB_OFFLINE:
        why = "--offline" if offline else "HF_HUB_OFFLINE"
        return [note("model hub", f"not asked ({why}): nothing will be downloaded")]
    try:
        headers = ask(address)
    except OSError as error:
        return [
            warning(
                "model hub",
                f"{address} does not answer ({error})",
                "check the network and the proxy (HTTPS_PROXY); behind a mirror set HF_ENDPOINT; "
                "without any the built-in model works, and models in folders (--offline)",
            )
        ]
    return [ok("model hub", f"{address} answers"), *_skew(headers, now())]


def check_token(token: Callable[[], str | None] = get_token) -> Finding:
    """Whether there is a token of the hub. It is never shown."""
    if token():
        return ok("hub token", "present (not shown)")
    return ok("hub token", "none; models that ask for consent need one (hf auth login)")


def check_proxies(
    proxies: Callable[[], Mapping[str, str]] = urllib.request.getproxies,
) -> list[Finding]:
    """Proxies that downloads go through."""
    found = proxies()
    if not found:
        return []
    return [note("proxies", ", ".join(f"{kind} {value}" for kind, value in sorted(found.items())))]


def _skew(headers: Mapping[str, str], now: datetime) -> list[Finding]:
    text = {name.lower(): value for name, value in headers.items()}.get("date", "")
    try:
        theirs = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return []
    skew_s = abs((now - theirs).total_seconds())
    if skew_s <= MAX_SKEW_S:
        return []
    return [
        warning(
            "clock",
            f"{skew_s / 60:.0f} minutes from the hub's",
            "set the clock: secure connections and time stamps depend on it",
        )
    ]
