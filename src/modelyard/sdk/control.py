"""The control socket of a deployment's program, in the folder of the deployment on its own machine."""

from __future__ import annotations

import http.client
import os
import socket
from pathlib import Path

from modelyard.wire.scorer import CONTROL_SOCKET

_ANSWER_SECONDS = 5.0
_OPEN_FILES = Path("/proc/self/fd")


class ControlConnection(http.client.HTTPConnection):
    """An HTTP connection to the socket in a folder, whose path may be longer than the address of a socket can be.

    Args:
        folder: The folder of the deployment.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._control = folder

    def connect(self) -> None:
        """Open the socket. Raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        if not _OPEN_FILES.is_dir():
            self.sock.connect(str(self._control / CONTROL_SOCKET))
            return
        opened = os.open(self._control, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sock.connect(f"{_OPEN_FILES}/{opened}/{CONTROL_SOCKET}")
        finally:
            os.close(opened)
