"""All tables together, because foreign keys cross features."""

from modelyard.db.tables.access import actors, grants, group_members, sessions, sign_in_links, tokens
from modelyard.db.tables.base import metadata
from modelyard.db.tables.catalog import (
    SEARCH_TABLE,
    model_owners,
    model_redirects,
    model_tags,
    models,
    namespaces,
)
from modelyard.db.tables.log import event_head, event_nodes, events, idempotency_keys, server_facts
from modelyard.db.tables.uploads import blob_senders, blobs, uploads
from modelyard.db.tables.versions import (
    alias_moves,
    aliases,
    manifest_files,
    manifests,
    version_metrics,
    version_tags,
    versions,
)

__all__ = [
    "SEARCH_TABLE",
    "actors",
    "alias_moves",
    "aliases",
    "blob_senders",
    "blobs",
    "event_head",
    "event_nodes",
    "events",
    "grants",
    "group_members",
    "idempotency_keys",
    "manifest_files",
    "manifests",
    "metadata",
    "model_owners",
    "model_redirects",
    "model_tags",
    "models",
    "namespaces",
    "server_facts",
    "sessions",
    "sign_in_links",
    "tokens",
    "uploads",
    "version_metrics",
    "version_tags",
    "versions",
]
