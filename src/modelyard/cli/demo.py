"""`modelyard demo`: real models, trained on this machine on scikit-learn's packaged datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelyard.cli.base import Session, command
from modelyard.domain.errors import NotFound

if TYPE_CHECKING:
    from modelyard.sdk.views import Version
    from modelyard_demo.models import Line, Trained


_PATIENCE_SECONDS = 180.0
"""Of each step of the thread."""


@command(
    "demo", example="modelyard demo\nmodelyard demo --namespace playground --only iris\nmodelyard demo --drift"
)
@click.option("--namespace", default="demo", show_default=True, help="Namespace of the models.")
@click.option("--only", "only", multiple=True, metavar="MODEL", help="Only this model, for example iris.")
@click.option(
    "--drift",
    is_flag=True,
    help="Instead, deploy a model whose callers change, and watch it go from drift to a new version that serves, by itself.",
)
def demo(session: Session, namespace: str, only: tuple[str, ...], drift: bool) -> None:
    """Fill a running registry with small trained models: several versions, good and bad ones.

    Needs scikit-learn: pip install "modelyard[demo]". Running it again adds only missing models.
    """
    if drift:
        from modelyard.cli.demo_drift import tell_drift

        tell_drift(session.client, namespace, session.out.text, _PATIENCE_SECONDS)
        return
    from modelyard_demo.models import train_all

    wanted = train_all(only)
    made = []
    for line in wanted:
        pushed = _push_line(session, f"{namespace}/{line.name}", line)
        made += [version for version, _ in pushed]
        if not session.as_json:
            best = max(pushed, key=lambda pair: pair[1].score)
            session.out.text(
                f"{namespace}/{line.name}\t{len(pushed)} versions\t@champion is {best[0].version}: "
                f"{line.metric} {best[1].score:.3f}"
            )
    if not session.answered([version.reference for version in made]):
        session.out.note(f"Look at them with: modelyard ls {namespace}")


def _present(session: Session, model: str) -> dict[str, Version]:
    """Return the versions of an earlier demo, by description: saving a model twice gives different bytes."""
    try:
        return {version.description: version for version in session.client.versions.list(model)}
    except NotFound:
        return {}


def _push_line(session: Session, model: str, line: Line) -> list[tuple[Version, Trained]]:
    """Push all versions of one model, describe it, and point the aliases at the two best."""
    from modelyard.sdk.capture import capture

    pushed: list[tuple[Version, Trained]] = []
    present = _present(session, model)
    for trained in line.versions:
        version = present.get(trained.description) or session.client.push(
            trained.model,
            model,
            metrics=trained.metrics,
            params=trained.params,
            tags=trained.tags,
            description=trained.description,
            facts={**capture(by_command=True), "data": [line.data]},
            example=line.example,
            card=trained.card,
            capture=False,
        )
        pushed.append((version, trained))
    session.client.models.edit(
        model,
        display_name=line.title,
        description=line.description,
        task=line.task,
        tags={"source": "demo", "dataset": line.dataset},
    )
    ranked = sorted(pushed, key=lambda pair: (-pair[1].score, pair[0].version))
    for alias, (version, trained) in zip(("champion", "challenger"), ranked, strict=False):
        if alias in version.aliases:
            continue
        reason = f"{line.metric} {trained.score:.3f} on the test split"
        session.client.aliases.set(version.reference, alias, reason=reason)
    return pushed
