"""Listing, finding and describing models."""

from __future__ import annotations

import click

from modelyard.cli.base import Session, command
from modelyard.cli.output import key_values
from modelyard.domain.names import Ref


@command("ls", example="modelyard ls\nmodelyard ls fraud\nmodelyard ls fraud/scorer")
@click.argument("what", required=False)
@click.option("--all", "everything", is_flag=True, help="Archived models and deleted versions too.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
def ls(session: Session, what: str | None, everything: bool, limit: int | None) -> None:
    """List namespaces; the models of a namespace; or the versions of a model."""
    from modelyard.sdk.views import metric_text, size_text

    client = session.client
    if not what:
        session.out.page(
            client.namespaces.list(limit),
            ("namespace", "visibility", "your role", "description"),
            lambda n: (n.name, n.visibility, n.role, n.description),
            empty="No namespaces yet. The first push makes one.",
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
            ("version", "state", "aliases", "size", "registered", "by", "metrics"),
            lambda v: (
                v.version,
                v.state,
                " ".join(f"@{a}" for a in v.aliases),
                size_text(v.size_bytes),
                v.created_at,
                v.created_by,
                ", ".join(metric_text(metric) for metric in v.metrics),
            ),
            empty=f"No versions yet. Push one with: modelyard push FOLDER {what}",
        )


@command("search", example="modelyard search iris --framework scikit-learn --metric 'accuracy>=0.9'")
@click.argument("words", nargs=-1)
@click.option("--namespace", help="Only in this namespace.")
@click.option("--tag", "tags", multiple=True, metavar="K[=V]", help="With this tag; may be given again.")
@click.option("--metric", "metrics", multiple=True, metavar="COND", help="As f1>=0.7, of the newest version.")
@click.option("--owner", help="Owned by this account.")
@click.option("--framework", help="Of this framework.")
@click.option("--licence", help="Under this licence.")
@click.option("--task", help="For this task.")
@click.option("--alias", help="That has this alias.")
@click.option("--archived", is_flag=True, help="Archived ones too.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@click.option("--total", is_flag=True, help="Say how many there are in all.")
def search(
    session: Session,
    words: tuple[str, ...],
    namespace: str | None,
    tags: tuple[str, ...],
    metrics: tuple[str, ...],
    owner: str | None,
    framework: str | None,
    licence: str | None,
    task: str | None,
    alias: str | None,
    archived: bool,
    limit: int,
    total: bool,
) -> None:
    """Find models by words in names, descriptions, tags and cards, and by conditions that all hold."""
    from modelyard.wire.catalog import ModelQuery

    found = session.client.models.search(
        " ".join(words),
        namespace=namespace,
        tags=tags,
        owner=owner,
        framework=framework,
        licence=licence,
        task=task,
        alias=alias,
        metrics=metrics,
        archived=archived,
        limit=limit,
    )
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
        query = ModelQuery(
            q=" ".join(words),
            namespace=namespace,
            tag=list(tags),
            owner=owner,
            framework=framework,
            licence=licence,
            task=task,
            alias=alias,
            metric=list(metrics),
            archived=archived,
            limit=1,
            total=True,
        )
        session.out.note(f"{session.client.models.page(query).total} in all")


@command("edit", example="modelyard edit fraud/scorer --description 'Scores card payments' --owner ann")
@click.argument("ref")
@click.option("--description", help="New description of the model or the version.")
@click.option("--display-name", help="Free-text name of the model.")
@click.option(
    "--owner", "owners", multiple=True, metavar="ACCOUNT", help="Owner; all given ones replace the old."
)
@click.option("--task", help="What the model is for, such as text-classification.")
@click.option(
    "--visibility", type=click.Choice(["private", "signed-in", "public"]), help="Who may read the model."
)
@click.option("--tag", "tags", multiple=True, metavar="K=V", help="Tag; all given ones replace the old.")
@click.option("--seen", type=int, metavar="REVISION", help="Only if it is still at this revision.")
def edit(
    session: Session,
    ref: str,
    description: str | None,
    display_name: str | None,
    owners: tuple[str, ...],
    task: str | None,
    visibility: str | None,
    tags: tuple[str, ...],
    seen: int | None,
) -> None:
    """Change what is written about a model (namespace/name) or a version (namespace/name:3)."""
    client = session.client
    new_tags = key_values(tags, "--tag") if tags else None
    if is_version(session, ref):
        if display_name or owners or task or visibility:
            raise click.UsageError("A version has a description and tags; the rest belongs to its model.")
        if description is None and new_tags is None:
            raise click.UsageError("Say what to change, for example --description TEXT.")
        version = client.versions.edit(ref, description=description, tags=new_tags, revision=seen)
        session.out.json(version) if session.as_json else session.out.text(f"Changed {version.reference}")
        return
    if not any((description is not None, display_name, owners, task, visibility, new_tags is not None)):
        raise click.UsageError("Say what to change, for example --description TEXT.")
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
    if session.as_json:
        session.out.json(model)
        return
    session.out.text(f"Changed {model.name}")
    if model.warning:
        session.out.note(model.warning)


@command("rename", example="modelyard rename fraud/scorer fraud/card-scorer")
@click.argument("model")
@click.argument("to")
def rename(session: Session, model: str, to: str) -> None:
    """Rename a model inside its namespace; its old name goes on working."""
    found = session.client.models.rename(model, to)
    session.out.json(found) if session.as_json else session.out.text(f"{model} is now {found.name}")


def is_version(session: Session, ref: str) -> bool:
    """Whether the reference names a version (or an alias or a digest) and not a whole model."""
    parsed: Ref = session.client.ref(ref)
    return parsed.selector is not None
