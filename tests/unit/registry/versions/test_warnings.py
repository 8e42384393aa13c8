"""Words for people who resolve a version: what they say, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.domain.actor import Role, Visibility
from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName, Ref
from modelyard.registry.access.rules import Place
from modelyard.registry.versions.nouns import Deprecation, Recall, Resolved
from modelyard.registry.versions.warnings import NEWEST, warnings_of_resolved

MODEL = ModelName("fraud", "scorer")
RECALL = Recall(at=1, by="ada", mode="warn", reason="leaked labels")
DEPRECATION = Deprecation(by="ada", at=1, replacement=4, ends_at="2027-01-01T00:00:00.000000Z", reason="bias")


def resolved(**values: Any) -> Resolved:
    plain: dict[str, Any] = {
        "model": MODEL,
        "number": 3,
        "digest": Digest.of(b"files"),
        "record_digest": Digest.of(b"record"),
        "state": "ready",
        "size_bytes": 1,
        "created_at": 1,
        "alias_revision": None,
        "place": Place("fraud", "scorer", Role.READER, Visibility.PRIVATE),
        "deleted": False,
        "deprecation": None,
        "scan": "no_code",
        "quarantined": False,
        "recall": None,
        "manifest_id": 1,
        "withheld": 0,
    }
    return Resolved(**{**plain, **values})


WITHHELD = "withheld and not served; list them with: modelyard show fraud/scorer:3"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, None),
        ({"scan": "pending"}, "the files of fraud/scorer:3 are still being scanned; they are not served yet"),
        (
            {"quarantined": True, "scan": "dangerous"},
            "fraud/scorer:3 is in quarantine (dangerous); see why with: modelyard scan show fraud/scorer:3",
        ),
        ({"recall": RECALL}, "fraud/scorer:3 was recalled by ada: leaked labels"),
        ({"withheld": 1}, f"1 of its files is {WITHHELD}"),
        ({"withheld": 2}, f"2 of its files are {WITHHELD}"),
        (
            {"deprecation": DEPRECATION},
            "fraud/scorer:3 is deprecated and will be taken away at 2027-01-01T00:00:00.000000Z (bias);"
            " use fraud/scorer:4 instead",
        ),
        (
            {"deprecation": Deprecation(by="ada", at=1), "recall": RECALL, "withheld": 1},
            f"fraud/scorer:3 was recalled by ada: leaked labels; 1 of its files is {WITHHELD};"
            " fraud/scorer:3 is deprecated",
        ),
    ],
)
def test_a_version_warns_of_what_it_is(values: dict[str, Any], words: str | None) -> None:
    assert warnings_of_resolved(resolved(**values), Ref(MODEL, 3), serving=True) == words


@pytest.mark.parametrize(
    ("selector", "serving", "words"), [(None, True, NEWEST), (None, False, None), (3, True, None)]
)
def test_a_reference_without_a_version_warns_where_it_is_served(
    selector: int | None, serving: bool, words: str | None
) -> None:
    assert warnings_of_resolved(resolved(), Ref(MODEL, selector), serving=serving) == words
