"""SQL of the bill of materials."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from modelyard.db.tables import dataset_versions, datasets, namespaces
from modelyard.db.transaction import Transaction


def find_profiled(tx: Transaction, namespace: str, digests: Iterable[str]) -> frozenset[str]:
    """Return those of these fingerprints whose profile this namespace holds."""
    query = (
        sa.select(dataset_versions.c.digest)
        .join(datasets, datasets.c.id == dataset_versions.c.dataset_id)
        .join(namespaces, namespaces.c.id == datasets.c.namespace_id)
        .where(
            namespaces.c.name == namespace,
            dataset_versions.c.digest.in_(list(digests)),
            dataset_versions.c.profile.is_not(None),
        )
    )
    return frozenset(row[0] for row in tx.rows(query))
