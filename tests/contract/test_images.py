"""The container image that was made of a version: recorded later, known from then on."""

from __future__ import annotations

import pytest

from modelyard.domain.errors import Invalid
from modelyard.registry.facts.usecases import show_facts
from modelyard.registry.versions.images import record_image
from modelyard.registry.versions.usecases import show_version
from tests.support.door import Visitor, open_door
from tests.support.registry import Registry, ref

FIRST, SECOND = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
FACTS = {"environment": {"python": "3.11.7"}, "image": {"recipe": {"base": "python:3.11.7-slim"}}}


def test_an_image_is_known_when_it_was_made_and_the_record_stays(registry: Registry, model: str) -> None:
    made = registry.register(registry.root, model, facts=FACTS)
    place = ref(f"{model}:1")

    def state() -> str:
        facts = registry.db.read(lambda tx: show_facts(tx, registry.root, place))
        return next(item.state for item in facts.items if item.name == "image")

    before = registry.db.read(lambda tx: show_facts(tx, registry.root, place)).completeness
    assert state() == "missing"
    view = registry.db.write(lambda tx: record_image(tx, registry.root, place, FIRST))
    assert state() == "known"
    assert registry.db.read(lambda tx: show_facts(tx, registry.root, place)).completeness > before
    version = view.version
    assert version.image is not None
    assert (version.image.digest, version.image.reference, version.image.by) == (FIRST, "", "root")
    assert version.facts()["image"] == {"recipe": {"base": "python:3.11.7-slim"}, "digest": FIRST}
    # Frozen facts and their digest are those of the registration.
    assert version.record_digest == made.version.record_digest
    assert version.record.value["image"] == FACTS["image"]
    # A gate that is asked about an earlier time does not know it.
    assert "digest" not in version.facts(version.image.at - 1)["image"]


def test_the_newest_counts_and_the_same_again_changes_nothing(registry: Registry, model: str) -> None:
    registry.register(registry.root, model)
    place = ref(f"{model}:1")

    def record(digest: str, reference: str = "") -> int:
        view = registry.db.write(lambda tx: record_image(tx, registry.root, place, digest, reference))
        return view.version.revision

    first = record(FIRST)
    assert record(FIRST) == first
    assert record(SECOND, "registry.example.com/scorer:1") > first
    version = registry.db.read(lambda tx: show_version(tx, registry.root, place)).version
    assert version.facts()["image"] == {"digest": SECOND, "reference": "registry.example.com/scorer:1"}
    assert record(SECOND, "registry.example.com/scorer:1") == version.revision


def test_the_image_of_the_run_stays(registry: Registry, model: str) -> None:
    facts = {"image": {"reference": "train:1", "digest": FIRST}}
    registry.register(registry.root, model, facts=facts)
    view = registry.db.write(lambda tx: record_image(tx, registry.root, ref(f"{model}:1"), SECOND))
    assert view.version.facts()["image"] == facts["image"]
    assert view.version.image is not None
    assert view.version.image.digest == SECOND


def test_the_page_of_the_version_shows_it(registry: Registry, model: str) -> None:
    registry.register(registry.root, model)
    with open_door(registry, pages=True) as door:
        body = {"digest": FIRST, "reference": "registry.example.com/scorer:1"}
        answer = door.call("PUT", f"models/{model}/versions/1/image", json=body)
        assert answer.json()["image"]["digest"] == FIRST
        page = Visitor.of(door, registry.root).html(f"/models/{model}/versions/1")
    assert "registry.example.com/scorer:1" in page
    assert f'title="{FIRST}"' in page


@pytest.mark.parametrize(
    ("digest", "reference"),
    [("latest", ""), (FIRST, "scorer 1"), (FIRST, "-v"), (FIRST, "https://u:hunter22@registry.example.com/x")],
)
def test_what_names_no_image_is_refused(registry: Registry, model: str, digest: str, reference: str) -> None:
    registry.register(registry.root, model)
    with pytest.raises(Invalid):
        registry.db.write(lambda tx: record_image(tx, registry.root, ref(f"{model}:1"), digest, reference))
