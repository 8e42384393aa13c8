"""The client as a wheel, made of the files that run here: for images, so that they need no index for it and have this release."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib import metadata
from pathlib import Path

import modelyard

_ROOMS = ("agent", "cli", "domain", "scorer", "sdk", "wire")
"""Of the client; the server's are a distribution of their own (decision record 0039)."""
_TIME = (1980, 1, 1, 0, 0, 0)
_WHEEL = "Wheel-Version: 1.0\nGenerator: modelyard\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_own_wheel(folder: Path) -> Path:
    """Write the wheel into a folder. The same release gives the same bytes. Source: PEP 427."""
    package = Path(modelyard.__file__).parent
    about = f"modelyard-{modelyard.__version__}.dist-info"
    paths = [*package.iterdir(), *(path for room in _ROOMS for path in (package / room).rglob("*"))]
    files = {
        f"modelyard/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted(paths)
        if path.is_file() and "__pycache__" not in path.parts
    }
    found = metadata.distribution("modelyard").read_text("METADATA") or ""
    # Only the requirements: the description is the README, which takes more room than all of them.
    files[f"{about}/METADATA"] = (found.partition("\n\n")[0] + "\n").encode()
    files[f"{about}/WHEEL"] = _WHEEL.encode()
    record = "".join(f"{name},sha256={_hash(data)},{len(data)}\n" for name, data in files.items())
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    wheel = folder / f"modelyard-{modelyard.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), data, zipfile.ZIP_DEFLATED)
    return wheel


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
