"""The dependents of a version besides its aliases: a stage, a deployment, the target of a rollback, a keep mark.

Each feature keeps its holds here, so that archiving and deleting check one place and know no feature.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.statement import Statement
from modelyard.db.tables import lineage_edges, models, namespaces, version_holds, versions
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import HasDependents
from modelyard.registry import edges
from modelyard.registry.access.queries import visible_models
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.versions import alias_queries
from modelyard.registry.versions.nouns import Version

_p = sa.bindparam

# The holds that forbid even archiving.
DEPLOYMENT = "deployment"
"""A deployment serves the version; its name is that of the deployment."""
_IN_USE = frozenset({"stage", DEPLOYMENT, "trial"})
CHILD = "child"
"""A child of this version that the actor may see; its name is the child's reference."""
WARM_REVISION = "warm revision"
"""A deployment keeps the version ready for a rollback; its name is that of the deployment."""
TRIAL = "trial"
"""A deployment tries the version as a canary or shadow; its name is that of the deployment."""
KEEP = "keep"
"""The mark that a version must be kept; its name is the same word."""
RELATIONS = ("finetune", "adapter", "quantized", "merge", "conversion", "retrained")
"""The possible relations of a version to its parent."""
_SHOWN_CHILDREN = 20


def refuse_archive_while_needed(tx: Transaction, model: Model, version: Version) -> None:
    """Raise HasDependents if something uses the version right now."""
    holds = [(kind, name) for kind, name in list_holds(tx, version.id) if kind in _IN_USE]
    _refuse(tx, model, version, holds, "archive")


def refuse_delete_while_needed(
    tx: Transaction, actor: Actor, model: Model, version: Version, *, orphan_children: bool
) -> list[str]:
    """Raise HasDependents, or return the children that lose their parent, as far as the actor may see them.

    A child that the actor may not read does not prevent the deletion and is not named: anybody can push a version that
    names this one as its parent. orphan_children: the other children may lose their parent too.
    """
    children = list_children(tx, actor, version.id)
    holds = list_holds(tx, version.id)
    if not orphan_children:
        holds += [(CHILD, name) for name in children]
    _refuse(tx, model, version, holds, "delete")
    return children


def _refuse(
    tx: Transaction, model: Model, version: Version, holds: Sequence[tuple[str, str]], verb: str
) -> None:
    pointing = alias_queries.aliases_at(tx, version.id)
    if not pointing and not holds:
        return
    dependents = [f"the stage @{a}" if a in model.protected_aliases else f"the alias @{a}" for a in pointing]
    dependents += [_words(kind, name) for kind, name in holds]
    raise HasDependents(
        what=f"{model.name}:{version.number}",
        dependents=", ".join(dependents),
        remedy=f"Move it out first, for example: {_way_out(model, version, pointing, holds)}; then {verb} again",
    )


def _words(kind: str, name: str) -> str:
    if kind == CHILD:
        return f"its child {name}"
    if kind == KEEP:
        return "the mark that it must be kept"
    return f"the {kind} {name}" if kind in _IN_USE else f"a {kind} of {name}"


def _way_out(model: Model, version: Version, pointing: Sequence[str], holds: Sequence[tuple[str, str]]) -> str:
    for alias in pointing:
        if alias in model.protected_aliases:
            return f"modelyard demote {model.name} {alias}"
        return f"modelyard alias remove {model.name} {alias}"
    kind, name = holds[0]
    if kind == "stage":
        return f"modelyard demote {model.name} {name} --version {version.number}"
    if kind == CHILD:
        return (
            f"modelyard delete {name}, or let its children go without it: "
            f'modelyard delete {model.name}:{version.number} --orphan-children --reason "…"'
        )
    if kind == KEEP:
        return f'modelyard keep {model.name}:{version.number} --undo --reason "…"'
    if kind == "rollback":
        return f"promote other versions to {name}, so that a rollback would not return to this one"
    if kind == DEPLOYMENT:
        return f"deploy another version to {name}, or modelyard deployment rm {name}"
    if kind == WARM_REVISION:
        return f"deploy other versions to {name}, so that a rollback would not return to this one"
    if kind == TRIAL:
        return f"modelyard deployment drop {name}"
    return f"end the {kind} {name}"


def list_children(tx: Transaction, actor: Actor, version_id: int) -> list[str]:
    """List at most twenty references of readable versions that came from this one."""
    query = (
        sa.select(namespaces.c.name, models.c.name, versions.c.number)
        .select_from(lineage_edges)
        .join(
            versions,
            lineage_edges.c.target == sa.literal(f"{edges.VERSION}:").concat(sa.cast(versions.c.id, sa.Text)),
        )
        .join(models, models.c.id == versions.c.model_id)
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .where(
            lineage_edges.c.source == edges.node(edges.VERSION, version_id),
            lineage_edges.c.relation.in_(RELATIONS),
            versions.c.state != "deleted",
            visible_models(actor),
        )
        .order_by(namespaces.c.name, models.c.name, versions.c.number)
        .limit(_SHOWN_CHILDREN)
    )
    return [f"{namespace}/{model}:{number}" for namespace, model, number in tx.rows(query)]


def list_holds(tx: Transaction, version_id: int) -> list[tuple[str, str]]:
    """List (kind, name) of the holds on the version."""
    query = (
        sa.select(version_holds.c.kind, version_holds.c.name)
        .where(version_holds.c.version_id == version_id)
        .order_by(version_holds.c.kind, version_holds.c.name)
    )
    return [(kind, name) for kind, name in tx.rows(query)]


_INSERT_HOLD = Statement(
    postgresql.insert(version_holds)
    .values(version_id=_p("version_id"), kind=_p("kind"), name=_p("name"), created_at=_p("now"))
    .on_conflict_do_nothing()
)
_DELETE_HOLDS = Statement(
    version_holds.delete().where(
        version_holds.c.kind == _p("the_kind"),
        version_holds.c.name == _p("the_name"),
        version_holds.c.version_id.in_(sa.select(versions.c.id).where(versions.c.model_id == _p("model_id"))),
    )
)


def add_hold(tx: Transaction, version_id: int, kind: str, name: str) -> None:
    tx.run(_INSERT_HOLD, version_id=version_id, kind=kind, name=name, now=tx.now)


def remove_hold(tx: Transaction, version_id: int, kind: str, name: str) -> None:
    tx.execute(
        version_holds.delete().where(
            version_holds.c.version_id == version_id,
            version_holds.c.kind == kind,
            version_holds.c.name == name,
        )
    )


def list_held(tx: Transaction, model_id: int, kind: str) -> list[int]:
    """List the numbers of the versions of a model that have a hold of this kind."""
    query = (
        sa.select(versions.c.number)
        .join(version_holds, version_holds.c.version_id == versions.c.id)
        .where(versions.c.model_id == model_id, version_holds.c.kind == kind)
        .order_by(versions.c.number)
    )
    return [number for (number,) in tx.rows(query)]


def set_holds(tx: Transaction, model_id: int, kind: str, name: str, version_ids: Iterable[int]) -> None:
    """Set the versions of the model that this kind and name hold; earlier ones are replaced."""
    tx.run(_DELETE_HOLDS, model_id=model_id, the_kind=kind, the_name=name)
    for version_id in version_ids:
        tx.run(_INSERT_HOLD, version_id=version_id, kind=kind, name=name, now=tx.now)
