"""Registration of a run's model as the next version of a model in the registry."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from modelyard.domain.errors import FileNotFound, Invalid, Kind, ModelyardError, NoSaver
from modelyard.domain.record import SIX_FACTS
from modelyard.sdk.cards import Cards
from modelyard.sdk.notice import last_model, paused
from modelyard.sdk.session import Session
from modelyard.sdk.values import metric_facts

if TYPE_CHECKING:
    from modelyard.sdk.runs.handle import Run
    from modelyard.sdk.views import Version
    from modelyard.wire.runs import RunDetails


class Keep(Protocol):
    """Keeps a model's files and facts for later. unsaved: its saver could not write them."""

    def __call__(
        self, run: Run, model: str, files: Path, learned: dict[str, Any], *, unsaved: bool = False
    ) -> None: ...


def prepare(run: Run, model: str, keep: Keep) -> None:
    """Arrange that the last fitted model is registered when the run finishes, or kept for later."""
    run.when_finished(lambda: print(_register_last(run, model, keep)))


def _register_last(run: Run, model: str, keep: Keep) -> str:
    """Register the last model that autologging saw fitted during the run, or keep it; return the outcome in words.

    Raises Invalid if it saw none.
    """
    from modelyard.sdk.push import save_object
    from modelyard.sdk.savers.folder import keep_model

    noticed = last_model(run.began_at)
    if noticed is None:
        raise Invalid(
            reason="autologging saw no fitted model",
            fix="Call my.autolog() before the training, or push the model yourself: my.push(model, NAME)",
        )
    why: ModelyardError | None = None
    with paused(), tempfile.TemporaryDirectory(prefix="modelyard-run-") as place:
        if not run.offline:
            try:
                session = run.client()
                return words_for(
                    register(session, noticed.model, model, facts={}, example=noticed.example, capture=True)
                )
            except NoSaver as error:
                why = error
            except ModelyardError as error:
                if not may_pass(error):
                    raise
                why = error
        folder = Path(place)
        try:
            learned = save_object(noticed.model, folder / "model", noticed.example, allow_pickle=False)
            keep(run, model, folder / "model", learned)
        except NoSaver as error:
            why = error
            keep_model(noticed.model, folder / "kept", noticed.example)
            keep(run, model, folder / "kept", {}, unsaved=True)
    return words_for_kept(model, why)


def may_pass(error: ModelyardError) -> bool:
    """Return whether the same registration may succeed later, so that the model is worth keeping."""
    return error.kind is not Kind.INVALID


def facts_of(run: RunDetails, learned: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a version that the run produced. learned: facts of the model itself."""
    facts: dict[str, Any] = {
        **{name: run.facts.get(name) for name in ("code", "environment", "image")},
        "run": {"id": run.id, "name": run.name},
        "params": run.params,
        "metrics": metric_facts(run.metrics),
        "data": run.inputs,
        **learned,
    }
    return {name: value for name, value in facts.items() if value}


def register(session: Session, what: Any, model: str, **options: Any) -> Version:
    """Push a version, and write a card with its facts if it has none."""
    from modelyard.sdk.push import push

    version = push(session, what, model, **options)
    cards = Cards(session)
    try:
        cards.get(version.reference)
    except FileNotFound:
        cards.set(version.reference, cards.template(version.reference))
    return version


def words_for(version: Version) -> str:
    """Describe the version and how complete it is, for a person."""
    known = len(SIX_FACTS) - len(version.missing)
    words = f"{version.reference}  {version.digest}\n{known} of {len(SIX_FACTS)} facts are known"
    return f"{words}; not known: {', '.join(version.missing)}" if version.missing else words


def words_for_kept(model: str, why: ModelyardError | None) -> str:
    """Say that a model waits for `modelyard sync`. why None: its run was offline."""
    reason = f": {why}" if why is not None else ", since the run is offline"
    return f"No version of {model} was registered yet{reason}\nIts files are kept; register them with: modelyard sync"
