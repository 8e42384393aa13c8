"""Services of every door: the database, the bytes and the operator's settings."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.remembered import Remembered
from modelyard.doors.fair_share import Lanes, Places
from modelyard.registry.access.attempts import Attempts
from modelyard.registry.access.nouns import Credential
from modelyard.registry.builds.pools import Pools, open_pools, read_clusters
from modelyard.registry.catalog.usecases import CatalogSettings
from modelyard.registry.deployments.targets import Targets, open_targets
from modelyard.registry.jobs.nouns import RunFigures
from modelyard.registry.keyring import Keyring
from modelyard.registry.oidc.providers import Providers
from modelyard.registry.oidc.rules import parse_domains, parse_group_map
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
    local_url: str = ""
    """Address for programs on this machine; "": the public one."""
    used_tokens: set[int] = field(default_factory=set)
    """Tokens used since the worker last stored their use."""

    attempts: Attempts = field(default_factory=Attempts)
    """Recent failed sign-ins."""

    lanes: Lanes = field(init=False)
    """Threads for work that waits or computes."""

    streams: Places = field(init=False)
    """Endless answers."""

    known_tokens: Remembered[bytes, Credential] = field(init=False)
    """Hash of a token → its account."""

    resolved: Remembered[Hashable, Any] = field(init=False)
    """(caller, reference) → the answer of the native door."""

    run_figures: RunFigures = field(default_factory=RunFigures)
    """Jobs that this process ran, for /metrics."""

    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the process must end, so that endless answers stop."""

    def __post_init__(self) -> None:
        self.lanes = Lanes(self.settings.uploads_per_client)
        self.streams = Places(self.settings.streams_per_client)
        self.known_tokens = Remembered(10_000)
        self.resolved = Remembered(4_096)

    @property
    def catalog(self) -> CatalogSettings:
        return CatalogSettings(everyone_creates_namespaces=self.settings.everyone_creates_namespaces)

    @cached_property
    def pools(self) -> Pools:
        """Return the places where builds run."""
        settings = self.settings
        return open_pools(
            Path(settings.data),
            Path(settings.build_folder) if settings.build_folder else None,
            slots=settings.build_slots,
            local_builds=settings.local_builds,
            local_network=settings.local_network,
            url=self.local_url or self.public_url,
            clusters=read_clusters(settings.build_pools, settings.public_url) if settings.build_pools else (),
        )

    @cached_property
    def targets(self) -> Targets:
        """Return what runs the deployments."""
        settings = self.settings
        return open_targets(
            Path(settings.data),
            local=settings.local_deployments,
            url=self.local_url or self.public_url,
            command=settings.scorer_command,
            file=settings.deployment_targets,
            public_url=self.public_url,
            unisolated=settings.local_unisolated,
        )

    @cached_property
    def providers(self) -> Providers:
        """Return the published keys of identity-token issuers, fetched once for all requests."""
        return Providers(self.outgoing)

    @property
    def sign_in(self) -> SignInSettings:
        settings = self.settings
        return SignInSettings(
            parse_group_map(settings.oidc_groups),
            settings.oidc_groups_claim,
            settings.oidc_create_accounts,
            parse_domains(settings.oidc_email_domains),
        )

    def sender(self) -> Sender:
        """Return the sender that carries events to their receivers."""
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
