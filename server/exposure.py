"""Whether the server may start where it is told to listen, and what is open there. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from server.networks import is_loopback


@dataclass(frozen=True, slots=True)
class Exposure:
    """How the server can be reached. `by_proxy`: trusted proxies are named, which do the TLS."""

    host: str
    has_tokens: bool
    has_tls: bool
    by_proxy: bool
    insecure: bool
    """The operator said that it may be open."""

    @property
    def beyond(self) -> bool:
        """Others than this machine reach it."""
        return not is_loopback(self.host)

    def open_doors(self) -> list[str]:
        """What is open to whoever reaches the server, in words."""
        reached = self.beyond or self.by_proxy
        doors = []
        if reached and not self.has_tokens:
            where = self.host if self.beyond else "the proxy"
            doors.append(
                f"no token is asked for: everybody who reaches {where} may speak, listen to any "
                "session whose name they know, load models and change settings"
            )
        if self.beyond and not self.has_tls and not self.by_proxy:
            doors.append("no TLS: whoever is on the way can read and change audio, text and tokens")
        return doors

    def objection(self) -> str | None:
        """Why it must not start; None if it may."""
        doors = self.open_doors() if self.beyond else []
        if not doors or self.insecure:
            return None
        return (
            f"not listening on {self.host}, beyond this machine: {'; '.join(doors)}.\n"
            "There are three ways out:\n"
            "  1. stay on this machine: leave out --host\n"
            "  2. tokens and TLS: --access-file FILE (or the variable THAI_ASR_TOKEN), and\n"
            "     --tls-cert FILE --tls-key FILE (or --trusted-proxies, where a proxy does the "
            "TLS)\n"
            "  3. --insecure: open to everybody who reaches this address\n"
            "docs/access.md has more of each."
        )
