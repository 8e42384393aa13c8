"""What a front in a container has besides its folder: an order and a token that are mounted, and a version that is in the image.

MODELYARD_SCORER_ORDER          what to serve: a file, such as one of a ConfigMap, which is read again when it changes; or the JSON
MODELYARD_SCORER_TOKEN          file with the token that reads the model
MODELYARD_SCORER_IMAGE          folder of the version that the image was made of
MODELYARD_SCORER_STATE          HOST:PORT at which `GET /state` is answered without a token, for the target alone
MODELYARD_SCORER_LEAVE_SECONDS  for so long it accepts requests after SIGTERM, while it says that it is not ready
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modelyard.domain.digest import Digest

DEFAULT_FOLDER = "/run/modelyard"
"""Of a front that gets none, as in images."""
MODEL, MANIFEST, RECORD, PYTHON = "model", "manifest.json", "record.json", "python"
"""In the folder of the image: files, canonical bytes of the manifest and the record, and the path of the Python that has the
packages."""


@dataclass(frozen=True, slots=True)
class Container:
    """state: (host, port); None: the state is told nowhere."""

    order: str = ""
    token_file: Path | None = None
    state: tuple[str, int] | None = None
    leave_seconds: float = 0.0

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Container:
        """Raises ValueError."""
        token = variables.get("MODELYARD_SCORER_TOKEN")
        host, colon, port = variables.get("MODELYARD_SCORER_STATE", "").rpartition(":")
        return cls(
            variables.get("MODELYARD_SCORER_ORDER", ""),
            Path(token) if token else None,
            (host, int(port)) if colon else None,
            float(variables.get("MODELYARD_SCORER_LEAVE_SECONDS") or 0),
        )

    def read_order(self) -> bytes | None:
        """Return the order as it is now; None: there is none, or it cannot be read at this moment."""
        if not self.order or self.order.lstrip().startswith("{"):
            return self.order.encode() or None
        with contextlib.suppress(OSError):
            return Path(self.order).read_bytes()
        return None

    def read_token(self) -> str:
        """Return the token; "": there is none."""
        if self.token_file is not None:
            with contextlib.suppress(OSError):
                return self.token_file.read_text(encoding="utf-8").strip()
        return ""


def image_of(digest: str) -> Path | None:
    """Return the folder of the version with that digest in this image; None: it is another one, or this is no image."""
    named = os.environ.get("MODELYARD_SCORER_IMAGE")
    if not named:
        return None
    with contextlib.suppress(OSError):
        if str(Digest.of((Path(named) / MANIFEST).read_bytes())) == digest:
            return Path(named)
    return None


def python_of(image: Path) -> Path:
    """Return the Python that has the packages of the version. Raises OSError."""
    return Path((image / PYTHON).read_text(encoding="utf-8").strip())
