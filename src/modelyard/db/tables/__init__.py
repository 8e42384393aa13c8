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
from modelyard.db.tables.comments import comment_revisions, comments, notifications, watches
from modelyard.db.tables.log import event_head, event_nodes, events, idempotency_keys, server_facts
from modelyard.db.tables.oidc import identities, trusted_publishers, used_id_tokens
from modelyard.db.tables.outbox import deliveries, subscriptions
from modelyard.db.tables.promotion import (
    effective_policies,
    policies,
    promotions,
    stage_occupants,
    votes,
    waivers,
)
from modelyard.db.tables.reports import attestations, cards, checks, evaluations
from modelyard.db.tables.uploads import blob_senders, blobs, uploads
from modelyard.db.tables.versions import (
    alias_moves,
    aliases,
    manifest_files,
    manifests,
    version_holds,
    version_metrics,
    version_tags,
    versions,
)

__all__ = [
    "SEARCH_TABLE",
    "actors",
    "alias_moves",
    "aliases",
    "attestations",
    "blob_senders",
    "blobs",
    "cards",
    "checks",
    "comment_revisions",
    "comments",
    "deliveries",
    "effective_policies",
    "evaluations",
    "event_head",
    "event_nodes",
    "events",
    "grants",
    "group_members",
    "idempotency_keys",
    "identities",
    "manifest_files",
    "manifests",
    "metadata",
    "model_owners",
    "model_redirects",
    "model_tags",
    "models",
    "namespaces",
    "notifications",
    "policies",
    "promotions",
    "server_facts",
    "sessions",
    "sign_in_links",
    "stage_occupants",
    "subscriptions",
    "tokens",
    "trusted_publishers",
    "uploads",
    "used_id_tokens",
    "version_holds",
    "version_metrics",
    "version_tags",
    "versions",
    "votes",
    "waivers",
    "watches",
]
