"""What every door is given: the database, the bytes and the operator's decisions."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.registry.access.queries import Credential
from modelyard.registry.catalog.usecases import CatalogSettings
from modelyard.registry.keyring import Keyring
from modelyard.registry.outbox.senders import MailSettings, Sender
from modelyard.registry.outgoing import Outgoing
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
    outgoing: Outgoing = field(default_factory=Outgoing)
    transfers: ThreadPoolExecutor = field(default_factory=_transfer_pool)
    used_tokens: set[int] = field(default_factory=set)
    """Tokens used since the worker last noted it."""

    known_tokens: dict[str, tuple[int, Credential]] = field(default_factory=dict)
    """Hash of a token → (generation of the database, whose it is)."""

    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the process is asked to end, so that answers without an end come to one."""

    @property
    def catalog(self) -> CatalogSettings:
        return CatalogSettings(everyone_creates_namespaces=self.settings.everyone_creates_namespaces)

    def sender(self) -> Sender:
        """What carries events to their receivers."""
        settings = self.settings
        mail = MailSettings(
            settings.smtp_host,
            settings.smtp_port,
            settings.smtp_security,
            settings.smtp_user,
            settings.smtp_password,
            settings.smtp_sender,
        )
        return Sender(self.db, self.keyring, self.outgoing, mail, self.public_url)

    def close(self) -> None:
        self.transfers.shutdown(wait=False, cancel_futures=True)
        self.db.close()
        self.blobs.close()
