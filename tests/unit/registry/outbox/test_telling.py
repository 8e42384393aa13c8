"""Events as sentences: every phrase has its object, and a kind without one is still told."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.domain.events import all_events
from modelyard.registry.outbox.telling import _PHRASES, tell


def body(kind: str, **rest: Any) -> dict[str, Any]:
    return {"kind": kind, "actor": {"name": "ada"}, "namespace": "fraud", **rest}


@pytest.mark.parametrize("kind", sorted(all_events()))
def test_every_kind_is_told(kind: str) -> None:
    for more in ({}, {"model": "fraud/scorer"}, {"model": "fraud/scorer", "version": 3}):
        told = tell(body(kind, **more))
        assert told.actor == "ada"
        assert "fraud" in told.words or kind.startswith(("actor.", "sign_in.", "token."))
        assert "{" not in told.words


def test_every_phrase_is_of_an_event() -> None:
    assert set(_PHRASES) <= set(all_events())


def test_a_promotion_names_version_stage_and_reason() -> None:
    data = {"stage": "production", "reason": "better recall", "promotion": 7}
    told = tell(body("promotion.opened", model="fraud/scorer", version=3, data=data))
    assert told.words == "asked for production for fraud/scorer v3"
    assert told.detail == "better recall"
    moved = tell(body("alias.moved", model="fraud/scorer", version=3, data={"alias": "champion"}))
    assert moved.words == "moved @champion to fraud/scorer v3"
    hostile = tell(body("{version.__class__}", model="fraud/scorer"))
    assert hostile.words.startswith("{")
