"""What every door is given: the database, the bytes and the operator's decisions."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.remembered import Remembered
from modelyard.doors.fair_share import Lanes, Places
from modelyard.registry.access.attempts import Attempts
from modelyard.registry.access.nouns import Credential
from modelyard.registry.catalog.usecases import CatalogSettings
from modelyard.registry.jobs.nouns import RunFigures
from modelyard.registry.keyring import Keyring
from modelyard.registry.oidc.providers import Providers
from modelyard.registry.oidc.rules import parse_group_map
from modelyard.registry.oidc.usecases import SignInSettings
from modelyard.registry.outbox.senders import MailSettings, Sender
from modelyard.registry.outgoing import Outgoing
from modelyard.settings import Settings


@dataclass
class Services:
    db: Database
    blobs: BlobStore
    settings: Settings
    release: str
    public_url: str
    keyring: Keyring
    outgoing: Outgoing = field(default_factory=Outgoing)
    used_tokens: set[int] = field(default_factory=set)
    """Tokens used since the worker last noted it."""

    attempts: Attempts = field(default_factory=Attempts)
    """Failed sign-ins of late."""

    lanes: Lanes = field(init=False)
    """Threads for what waits or computes."""

    streams: Places = field(init=False)
    """Answers without an end."""

    known_tokens: Remembered[str, Credential] = field(init=False)
    """Hash of a token → whose it is."""

    resolved: Remembered[Hashable, Any] = field(init=False)
    """Who asks and what for → the answer, as the native door gives it."""

    run_figures: RunFigures = field(default_factory=RunFigures)
    """What this process did of the queue, for /metrics."""

    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the process is asked to end, so that answers without an end come to one."""

    def __post_init__(self) -> None:
        self.lanes = Lanes(self.settings.uploads_per_client)
        self.streams = Places(self.settings.streams_per_client)
        self.known_tokens = Remembered(self.db, 10_000, attrgetter("rights_generation"))
        self.resolved = Remembered(self.db, 4_096, attrgetter("generation"))

    @property
    def catalog(self) -> CatalogSettings:
        return CatalogSettings(everyone_creates_namespaces=self.settings.everyone_creates_namespaces)

    @cached_property
    def providers(self) -> Providers:
        """What issuers of identity tokens publish; fetched once and kept for all requests."""
        return Providers(self.outgoing)

    @property
    def sign_in(self) -> SignInSettings:
        settings = self.settings
        return SignInSettings(
            parse_group_map(settings.oidc_groups), settings.oidc_groups_claim, settings.oidc_create_accounts
        )

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
        self.lanes.close()
        self.db.close()
        self.blobs.close()
