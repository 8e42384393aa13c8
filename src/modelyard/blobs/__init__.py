"""Bytes by digest. `store` defines the interface, and `open_store` opens a store; other modules implement stores.

Decision record: docs/decisions/0004-blob-store.md.
"""

from modelyard.blobs.opening import open_store
from modelyard.blobs.store import BlobReader, BlobStore, StagedUpload, StoredBlob

__all__ = ["BlobReader", "BlobStore", "StagedUpload", "StoredBlob", "open_store"]
