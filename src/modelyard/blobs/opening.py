"""Open a store from a setting: a URL or path chooses the implementation."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modelyard.blobs.store import BlobStore
from modelyard.domain.errors import InvalidRequest


def open_store(url: str) -> BlobStore:
    """Open the store at `url`; create it on first use.

    url: a path or file:///path (a local folder), s3://bucket/prefix?endpoint=…&region=… (modelyard.blobs.s3),
    or memory:// (for tests and trials; lost when the process ends).
    Raises InvalidRequest, BlobFormatUnknown, BlobStoreUnavailable, DiskFull.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        return _open_folder(url)
    match scheme:
        case "file":
            return _open_folder(_path_of_file_url(url))
        case "memory":
            from modelyard.blobs.memory import MemoryStore

            return MemoryStore()
        case "s3":
            return _open_bucket(url)
        case _:
            raise InvalidRequest(
                reason=f"{scheme}:// is not a known kind of blob store",
                fix="Use a folder, file:///folder or s3://bucket/prefix?endpoint=URL&region=NAME",
            )


def _open_folder(path: str) -> BlobStore:
    from modelyard.blobs.filesystem import FilesystemStore

    if not path:
        raise InvalidRequest(reason="the path of the blob store is empty", fix="Name a folder")
    return FilesystemStore(Path(path).expanduser())


def _path_of_file_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise InvalidRequest(
            reason=f"{url!r} names another machine",
            fix="Write three slashes before an absolute path: file:///srv/modelyard",
        )
    path = unquote(parts.path)
    # file:///C:/folder has its drive after the slash.
    return path[1:] if os.name == "nt" and path[2:3] == ":" else path


def _open_bucket(url: str) -> BlobStore:
    try:
        from modelyard.blobs import s3
    except ModuleNotFoundError as error:
        if error.name != "obstore":
            raise
        raise InvalidRequest(
            reason="a blob store in a bucket needs the package obstore",
            fix='Install it with: pip install "modelyard[s3]"',
        ) from error
    return s3.from_url(url)
