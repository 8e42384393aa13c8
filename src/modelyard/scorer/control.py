"""The control socket of a front: HTTP on a Unix socket in its folder, for the target that started it.

PUT /wanted   a new order; it is stored before it is acted upon. 202 with the state
GET /state    the state
POST /stop    answer what is open, and end. 202
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from modelyard.domain.errors import ModelyardError
from modelyard.scorer.http import Request
from modelyard.scorer.refusals import Refusal, bad, failed
from modelyard.wire.scorer import CONTROL_SOCKET, ScorerState, Wanted

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Wanted)


class Control:
    """order: stores and acts upon what is wanted. state: says what there is. stop: begins the end."""

    def __init__(
        self, order: Callable[[Wanted], None], state: Callable[[], ScorerState], stop: Callable[[], None]
    ) -> None:
        self._order, self._state, self._stop = order, state, stop

    def __call__(self, request: Request) -> None:
        try:
            self._carry_out(request)
        except Refusal as refusal:
            request.refuse(refusal)

    def _carry_out(self, request: Request) -> None:
        match (request.method, request.path):
            case ("GET", "/state"):
                request.respond(200, _encode(self._state()))
            case ("PUT", "/wanted"):
                try:
                    self._order(_decoder.decode(request.body))
                except msgspec.MsgspecError as error:
                    raise bad(f"this is not an order: {error}") from None
                except OSError as error:
                    raise failed(f"the order cannot be stored: {error.strerror or error}") from None
                except ModelyardError as error:
                    raise bad(f"{error.message} {error.fix}".strip()) from None
                request.respond(202, _encode(self._state()))
            case ("POST", "/stop"):
                request.respond(202, _encode(self._state()))
                self._stop()
            case _:
                raise Refusal(404, "not_found", "this socket knows PUT /wanted, GET /state and POST /stop")


def socket_path(folder: Path) -> tuple[str, int]:
    """Return a short path of the control socket, and the descriptor that keeps it valid: a socket's path has at most 107
    bytes, and folders of deployments can be longer."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    if not Path("/proc/self/fd").is_dir():
        return str(folder / CONTROL_SOCKET), handle
    return f"/proc/self/fd/{handle}/{CONTROL_SOCKET}", handle
