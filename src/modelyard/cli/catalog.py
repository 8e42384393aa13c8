"""List, find and describe models."""

from __future__ import annotations

from typing import Any

import click

from modelyard.cli.arguments import MODEL, REF
from modelyard.cli.base import Session, command
from modelyard.cli.output import key_values
from modelyard.domain.names import Ref


@command("ls", example="modelyard ls\nmodelyard ls fraud\nmodelyard ls fraud/scorer")
@click.argument("what", required=False)
@click.option("--all", "everything", is_flag=True, help="Include archived models and deleted versions.")
@click.option("--limit", type=click.IntRange(1), help="Show at most this many.")
def ls(session: Session, what: str | None, everything: bool, limit: int | None) -> None:
    """List namespaces; the models of a namespace; or the versions of a model."""
    from modelyard.domain.sizes import size_words
    from modelyard.sdk.views import metric_text

    client = session.client
    if not what:
        session.out.page(
            client.namespaces.list(limit),
            ("namespace", "visibility", "your role", "description"),
            lambda n: (n.name, n.visibility, n.role, n.description),
            empty="No namespaces yet. The first push creates one.",
        )
    elif "/" not in what.strip("/"):
        client.namespaces.get(what.strip("/"))
        session.out.page(
            client.models.search(namespace=what.strip("/"), archived=everything, limit=limit),
            ("model", "newest", "versions", "aliases", "framework", "changed"),
            lambda m: (
                m.name,
                m.newest_version or "",
                m.version_count,
                " ".join(f"@{a}:{n}" for a, n in m.aliases.items()),
                m.framework or "",
                m.updated_at,
            ),
            empty=f"No models in {what}. Push one with: modelyard push FOLDER {what}/NAME",
        )
    else:
        states = ("ready", "archived", "deleted") if everything else ("ready", "archived")
        session.out.page(
            client.versions.list(what, states=states, limit=limit),
            ("version", "state", "aliases", "semver", "size", "registered", "by", "metrics at registration"),
            lambda v: (
                v.version,
                v.status,
                " ".join(f"@{a}" for a in v.aliases),
                v.semver or "",
                size_words(v.size_bytes),
                v.created_at,
                v.created_by,
                ", ".join(metric_text(metric) for metric in v.metrics),
            ),
            empty=f"No versions yet. Push one with: modelyard push FOLDER {what}",
        )


@command("search", example="modelyard search iris --framework scikit-learn --metric 'accuracy>=0.9'")
@click.argument("words", nargs=-1)
@click.option("--namespace", help="Search only this namespace.")
@click.option(
    "--tag", "tags", multiple=True, metavar="K[=V]", help="Only models with this tag; may be repeated."
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="COND",
    help="Condition on the newest version, for example f1>=0.7.",
)
@click.option("--owner", help="Only models owned by this account.")
@click.option("--framework", help="Only models of this framework.")
@click.option("--licence", help="Only models under this licence.")
@click.option("--task", help="Only models for this task.")
@click.option("--alias", help="Only models with this alias.")
@click.option("--stage", help="Only models with a version in this stage.")
@click.option(
    "--semver", metavar="X[.Y[.Z]]", help="Only models that have a version with this semantic version."
)
@click.option("--pull-request", metavar="URL", help="Only models that have a version from this pull request.")
@click.option("--archived", is_flag=True, help="Include archived models.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show at most this many.")
@click.option("--total", is_flag=True, help="Also print how many match in all.")
@click.option(
    "--facets",
    is_flag=True,
    help="Count the matches by namespace, framework, tag and more, instead of listing them.",
)
def search(
    session: Session, words: tuple[str, ...], limit: int, total: bool, facets: bool, **conditions: Any
) -> None:
    """Find models by words in names, descriptions, tags, cards and comments; all conditions must hold."""
    from modelyard.wire.catalog import ModelQuery

    text = " ".join(words)
    if facets:
        named = {name: value for name, value in conditions.items() if name not in ("tags", "metrics")}
        query = ModelQuery(q=text, tag=[*conditions["tags"]], metric=[*conditions["metrics"]], **named)
        counted = session.client.models.facets(query)
        if not session.answered(counted):
            rows = [(facet, value, n) for facet, values in counted.items() for value, n in values.items()]
            session.out.table(("facet", "value", "models"), rows, empty="Nothing found.")
        return
    found = session.client.models.search(text, limit=limit, **conditions)
    session.out.page(
        found,
        ("model", "newest", "aliases", "framework", "changed", "description"),
        lambda m: (
            m.name,
            m.newest_version or "",
            " ".join(f"@{a}:{n}" for a, n in m.aliases.items()),
            m.framework or "",
            m.updated_at,
            m.description,
        ),
        empty="Nothing found.",
    )
    if total:
        tags, metrics = [*conditions.pop("tags")], [*conditions.pop("metrics")]
        query = ModelQuery(q=text, tag=tags, metric=metrics, limit=1, total=True, **conditions)
        session.out.note(f"{session.client.models.page(query).total} in all")


@command("edit", example="modelyard edit fraud/scorer --description 'Scores card payments' --owner ann")
@click.argument("ref", type=REF)
@click.option("--description", help="New description of the model or the version.")
@click.option("--display-name", help="Name of the model to show, free text.")
@click.option(
    "--owner",
    "owners",
    multiple=True,
    metavar="ACCOUNT",
    help="Owner; may be repeated. The given owners replace the old ones.",
)
@click.option("--task", help="Task of the model, for example text-classification.")
@click.option(
    "--visibility",
    type=click.Choice(["private", "signed-in", "public"]),
    help="Who can read it: members, all accounts, or everybody.",
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="K=V",
    help="Tag; may be repeated. The given tags replace the old ones.",
)
@click.option(
    "--semver", metavar="X.Y.Z", help='Semantic version of the version, for example 2.1.0; "" removes it.'
)
@click.option("--pull-request", metavar="URL", help='Pull request that the version came from; "" removes it.')
@click.option(
    "--if-revision", "seen", type=int, metavar="N", help="Change it only if it is still at this revision."
)
def edit(
    session: Session,
    ref: str,
    description: str | None,
    display_name: str | None,
    owners: tuple[str, ...],
    task: str | None,
    visibility: str | None,
    tags: tuple[str, ...],
    semver: str | None,
    pull_request: str | None,
    seen: int | None,
) -> None:
    """Change the description, owners or tags of a model (namespace/name) or a version (namespace/name:3)."""
    client = session.client
    new_tags = key_values(tags, "--tag") if tags else None
    if is_version(session, ref):
        if display_name or owners or task or visibility:
            raise click.UsageError(
                "A version has only a description, tags, a semantic version and a pull request; edit its model "
                "for the rest."
            )
        if all(value is None for value in (description, new_tags, semver, pull_request)):
            raise click.UsageError("Name a change, for example --description TEXT.")
        version = client.versions.edit(
            ref,
            description=description,
            tags=new_tags,
            semver=semver,
            pull_request=pull_request,
            revision=seen,
        )
        session.say(version, f"Changed {version.reference}")
        return
    if semver is not None or pull_request is not None:
        raise click.UsageError(
            f"A model has no semantic version and no pull request; name one of its versions, for example {ref}:3."
        )
    if not any((description is not None, display_name, owners, task, visibility, new_tags is not None)):
        raise click.UsageError("Name a change, for example --description TEXT.")
    model = client.models.edit(
        ref,
        description=description,
        display_name=display_name,
        owners=list(owners) or None,
        task=task,
        visibility=visibility,
        tags=new_tags,
        revision=seen,
    )
    if session.answered(model):
        return
    session.out.text(f"Changed {model.name}")
    if model.warning:
        session.out.note(model.warning)


@command("rename", example="modelyard rename fraud/scorer fraud/card-scorer")
@click.argument("model", type=MODEL)
@click.argument("to")
def rename(session: Session, model: str, to: str) -> None:
    """Rename a model inside its namespace; its old name keeps working."""
    renamed = session.client.models.rename(model, to)
    session.say(renamed, f"{model} is now {renamed.name}")
    if renamed.warning and not session.as_json:
        session.out.note(f"Warning: {renamed.warning}")


def is_version(session: Session, ref: str) -> bool:
    """Whether the reference names a version (or an alias or a digest) and not a whole model."""
    parsed: Ref = session.client.ref(ref)
    return parsed.selector is not None
