"""A feature has one name: its folder in the registry, and its file in every door."""

from __future__ import annotations

from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src" / "modelyard"
FEATURES = sorted(path.parent.name for path in SOURCE.glob("registry/*/__init__.py"))
DOORS = ("api", "wire", "sdk", "cli")

# Features that no door calls by themselves, each with its reason.
WITHOUT_DOOR = {
    "edges": "other features write what came from what; lineage reads it",
    "idempotency": "every write that carries a key goes through it",
    "keyring": "keys of the server itself; audit shows the public one",
    "outgoing": "HTTP requests of the server; outbox and oidc send them",
    "scan": "runs by itself; quarantine shows what it found",
    "withheld": "what stands in the place of withheld bytes; redaction withholds them",
}
# Doors that have another file for a feature, each with its reason.
ELSEWHERE = {
    "access": {
        "cli": "accounts.py, tokens.py, login.py and namespaces.py: one file for each group of commands"
    },
    "bom": {"wire": "a CycloneDX document as it is", "sdk": "one method, in versions.py"},
    "facts": {"sdk": "signatures.py, and one method in versions.py", "cli": "signature.py and versions.py"},
    "overview": {"sdk": "one method, in versions.py", "cli": "versions.py: `modelyard show`"},
    "uploads": {"sdk": "transfer.py: a push", "cli": "push.py"},
}


def has(door: str, feature: str) -> bool:
    return (SOURCE / door / f"{feature}.py").exists() or (SOURCE / door / feature / "__init__.py").exists()


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_has_the_same_name_in_every_door(feature: str) -> None:
    missing = {door for door in DOORS if not has(door, feature)}
    expected = set(DOORS) if feature in WITHOUT_DOOR else set(ELSEWHERE.get(feature, ()))
    assert missing == expected


def test_only_features_are_excused() -> None:
    assert {*WITHOUT_DOOR, *ELSEWHERE} <= set(FEATURES)
