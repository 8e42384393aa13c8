"""Bytes by digest. `store` is the border, `open_store` the way in; the other modules keep the bytes.

Decision record: docs/decisions/0004-blob-store.md.
"""

from modelyard.blobs.opening import open_store
from modelyard.blobs.store import BlobReader, BlobStore, StagedUpload, StoredBlob

__all__ = ["BlobReader", "BlobStore", "StagedUpload", "StoredBlob", "open_store"]
