"""Reach the front of a deployment on this machine, for anyone who may read its folder: the way back while the registry is away."""

from __future__ import annotations

import contextlib
import getpass
import http.client
import os
import socket
from pathlib import Path

import msgspec

from modelyard.domain.errors import NoWayBack, TargetUnavailable
from modelyard.scorer.control import socket_path
from modelyard.wire.scorer import WANTED_FILE, HostMove, HostRollback, ScorerState, Wanted

_SECONDS = 10.0


def find_fronts(folder: Path, name: str) -> list[tuple[str, Path]]:
    """Return (deployment, its folder) of those with that full name, or with that last part of it. folder: of all deployments."""
    found = []
    for place in sorted(folder.glob(f"*/{WANTED_FILE}")):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            wanted = msgspec.json.decode(place.read_bytes(), type=Wanted)
            if name in (wanted.deployment, wanted.deployment.rpartition("/")[2]):
                found.append((wanted.deployment, place.parent))
    return found


def read_state(folder: Path) -> ScorerState:
    """Return what the front says. Raises TargetUnavailable."""
    return msgspec.json.decode(_ask(folder, "GET", "/state")[1], type=ScorerState)


def roll_back(folder: Path, deployment: str, reason: str) -> HostMove:
    """Have the front serve the revision that it keeps warm; the registry records it when it is back.

    Raises NoWayBack, TargetUnavailable.
    """
    order = HostRollback(by=getpass.getuser(), reason=reason)
    status, body = _ask(folder, "POST", "/rollback", msgspec.json.encode(order))
    if status == http.client.CONFLICT:
        why = msgspec.json.decode(body, type=dict[str, str]).get("error", "")
        raise NoWayBack(deployment=deployment, passed_over=f" on this machine: {why}")
    if status != http.client.OK:
        raise TargetUnavailable(target="local", reason=f"{deployment} answered {status} to the rollback")
    move = msgspec.json.decode(body, type=ScorerState).host_move
    assert move is not None
    return move


def _ask(folder: Path, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("localhost", timeout=_SECONDS)
    try:
        short, handle = socket_path(folder)
        try:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(_SECONDS)
            connection.sock.connect(short)
        finally:
            os.close(handle)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as exc:
        raise TargetUnavailable(
            target="local", reason=f"its program on this machine does not answer: {exc}"
        ) from exc
    finally:
        connection.close()
