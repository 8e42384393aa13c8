"""A model that a run made, as the next version of a model in the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import FileNotFound, Invalid
from modelyard.domain.record import SIX_FACTS
from modelyard.sdk.client import Client

if TYPE_CHECKING:
    from modelyard.sdk.run_handle import Run
    from modelyard.sdk.views import Version


def prepare(run: Run, model: str) -> None:
    """Have what is fitted last registered when the run finishes."""
    run.when_finished(lambda: print(words_for(register_last(run, model))))


def register_last(run: Run, model: str) -> Version:
    """Register what autologging saw fitted last during the run. Raises Invalid when it saw nothing."""
    from modelyard.sdk.autolog import last_model, paused

    if run.offline:
        raise Invalid(
            reason="an offline run registers no version", fix="Push the model once the run was synchronised"
        )
    noticed = last_model(run.began_at)
    if noticed is None:
        raise Invalid(
            reason="no model was fitted that autologging knows",
            fix="Call my.autolog() before the training, or push the model yourself: my.push(model, NAME)",
        )
    with paused():
        return register(run.client(), noticed.model, model, facts={}, example=noticed.example, capture=True)


def register(client: Client, what: Any, model: str, **options: Any) -> Version:
    """Push, and leave a card that is filled with the version's facts, where it has none."""
    from modelyard.sdk.push import push

    version = push(client, what, model, **options)
    try:
        client.card(version.reference)
    except FileNotFound:
        client.set_card(version.reference, client.card_template(version.reference))
    return version


def words_for(version: Version) -> str:
    """The version and how complete it is, for a person."""
    known = len(SIX_FACTS) - len(version.missing)
    words = f"{version.reference}  {version.digest}\n{known} of {len(SIX_FACTS)} facts are known"
    return f"{words}; not known: {', '.join(version.missing)}" if version.missing else words
