"""What every door is given: the database, the bytes and the operator's decisions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.registry.access.queries import Credential
from modelyard.registry.catalog.usecases import CatalogSettings
from modelyard.registry.keyring import Keyring
from modelyard.settings import Settings


def _transfer_pool() -> ThreadPoolExecutor:
    # Threads that move bytes: apart from the database's, so that slow clients hold up no query.
    return ThreadPoolExecutor(32, "transfer")


@dataclass(slots=True)
class Services:
    db: Database
    blobs: BlobStore
    settings: Settings
    release: str
    public_url: str
    keyring: Keyring
    transfers: ThreadPoolExecutor = field(default_factory=_transfer_pool)
    used_tokens: set[int] = field(default_factory=set)
    """Tokens used since the worker last noted it."""

    known_tokens: dict[str, tuple[int, Credential]] = field(default_factory=dict)
    """Hash of a token → (generation of the database, whose it is)."""

    @property
    def catalog(self) -> CatalogSettings:
        return CatalogSettings(everyone_creates_namespaces=self.settings.everyone_creates_namespaces)

    def close(self) -> None:
        self.transfers.shutdown(wait=False, cancel_futures=True)
        self.db.close()
        self.blobs.close()
