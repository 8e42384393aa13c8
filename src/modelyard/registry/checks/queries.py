"""SQL of checks."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.json_columns import JsonText
from modelyard.db.parameters import named
from modelyard.db.statement import Statement
from modelyard.db.tables import actors, checks
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.registry.checks.nouns import REPRODUCED, Check

_p = sa.bindparam


_INSERT = Statement(
    checks.insert().values(
        **named("version_id", "name", "state", "url", "summary", "details", "build", "actor_id"), at=_p("now")
    )
)


def insert_check(
    tx: Transaction,
    actor: Actor,
    version_id: int,
    *,
    name: str,
    state: str,
    url: str,
    summary: str,
    details: str | None,
    build: str | None = None,
) -> None:
    tx.run(
        _INSERT,
        version_id=version_id,
        name=name,
        state=state,
        url=url,
        summary=summary,
        details=details,
        build=build,
        now=tx.now,
        actor_id=actor.id,
    )


_LIST = Statement(
    sa.select(
        *checks.c["name", "state", "url", "summary", "details", "at"],
        actors.c.name,
        checks.c.build,
    )
    .join(actors, actors.c.id == checks.c.actor_id)
    .where(
        checks.c.version_id == _p("version_id"),
        checks.c.at <= _p("until"),
        sa.or_(checks.c.name != REPRODUCED, checks.c.build.is_not(None)),
    )
    .order_by(checks.c.id.desc())
    .limit(_p("limit"))
)


def list_checks(tx: Transaction, version_id: int, until: int, limit: int = 1000) -> list[Check]:
    """List the checks reported up to that time, newest first.

    A check with the name of the server's own verdict counts only if the server made it.
    """
    return [
        Check(
            row[0], row[1], row[2], row[3], None if row[4] is None else JsonText(row[4]), row[5], row[6], row[7]
        )
        for row in tx.all(_LIST, version_id=version_id, until=until, limit=limit)
    ]
