"""Retire old builds: their logs and what their steps used, and, of those that no version needs, the whole record.

A version that names a build as its maker, or a check that names it, keeps the record from which the version can be built again:
recipe, source, params and data.
"""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM
from modelyard.registry.builds import log_queries, queries, rules

_AT_ONCE = 50


def retire_builds(tx: Transaction, keep_days: float) -> bool:
    """Retire some of the builds that ended longer ago than this many days; 0: none. Returns whether there are more of them."""
    if keep_days <= 0:
        return False
    horizon = tx.now - int(keep_days * rules.DAY)
    logged = queries.list_old(tx, horizon, _AT_ONCE, with_log=True)
    for build in logged:
        log_queries.delete_logs(tx, [build.id])
        queries.forget_course(tx, build.id)
        queries.count_more(tx, build.id, -rules.kept_log_bytes(build.log_bytes))
    unneeded = queries.list_old(tx, horizon, _AT_ONCE, with_log=False)
    for build in unneeded:
        queries.count_more(tx, build.id, -build.counted_bytes)
        queries.delete_build(tx, build.id)
        tx.append(events.BuildForgotten(**events.about(build.model), build=build.uid), SYSTEM, build.model_id)
    return len(logged) == _AT_ONCE or len(unneeded) == _AT_ONCE
