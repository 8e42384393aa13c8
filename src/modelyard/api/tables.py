"""All routes of the native door."""

from __future__ import annotations

from modelyard.api import (
    access,
    aliases,
    audit,
    bom,
    catalog,
    comments,
    comparison,
    datasets,
    events,
    facts,
    files,
    jobs,
    lineage,
    operations,
    policy,
    promotion,
    publishers,
    quarantine,
    redaction,
    reports,
    runs,
    subscriptions,
    uploads,
    versions,
)
from modelyard.doors.table import RouteTable

# The hottest first: routes with the same first word are tried in this order.
TABLES: tuple[RouteTable, ...] = (
    versions.table,
    files.table,
    uploads.table,
    aliases.table,
    catalog.table,
    promotion.table,
    policy.table,
    reports.table,
    facts.table,
    bom.table,
    runs.table,
    quarantine.table,
    redaction.table,
    comparison.table,
    lineage.table,
    datasets.table,
    access.table,
    audit.table,
    events.table,
    subscriptions.table,
    publishers.table,
    comments.table,
    jobs.table,
    operations.table,
)
