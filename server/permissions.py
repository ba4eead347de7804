"""What each request on the control port takes. Pure."""

from __future__ import annotations

from typing import Final

from server import protocol
from server.peer import Role

NEEDS: Final = {
    protocol.LoadModel: Role.ADMIN,
    protocol.CancelLoad: Role.ADMIN,
    protocol.EndShadow: Role.ADMIN,
    protocol.UpdateConfig: Role.ADMIN,
    protocol.StartRecording: Role.SPEAKER,
    protocol.StopRecording: Role.SPEAKER,
}
"""Requests that change something; the others are everybody's."""

ROLES: Final = (Role.VIEWER, Role.SPEAKER, Role.ADMIN)
"""Each may do what those before it may."""


def objection(request: protocol.Request, role: Role, *, guarded: bool) -> str | None:
    """Why a connection may not make a request; None if it may.

    Without tokens (`guarded` false) nobody is an admin, and every speaker may do everything.
    """
    needed = NEEDS.get(type(request), Role.VIEWER)
    if not guarded and needed is Role.ADMIN:
        needed = Role.SPEAKER
    if ROLES.index(role) >= ROLES.index(needed):
        return None
    kind = request.__struct_config__.tag
    if role is Role.VIEWER:
        return f"a viewer only listens: {kind} needs the role {needed.value}"
    return f"{kind} needs the role {needed.value}; this token's is {role.value}"


def lesser(role: Role, other: Role) -> Role:
    """The role that may do less."""
    return min(role, other, key=ROLES.index)
