"""From a reference to the live object that was pushed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.sdk.progress import Progress
from modelyard.sdk.pull import pull

if TYPE_CHECKING:
    from modelyard.sdk.client import Client
    from modelyard.sdk.savers.base import Trust


def load(
    client: Client, ref: str, *, trust: Trust, check: bool, progress: Progress | None, **options: Any
) -> Any:
    """See `Client.load`. The files are linked from the cache for as long as loading takes.

    Raises NoSaver, UntrustedModel, and what `pull` raises.
    """
    from modelyard.sdk.savers import load_model

    place = client.cache.folder / "loading"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as folder:
        pulled = pull(client, ref, Path(folder), link=True, progress=progress)
        return load_model(pulled.folder, trust=trust, check=check, **options)
