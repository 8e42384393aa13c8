"""Events hold the fields of their kind, all of them and no others, and never change."""

from __future__ import annotations

import pytest

from modelyard.domain.events import AliasRemoved, PromotionOpened, VersionRegistered, all_events


def test_the_fields_of_a_kind_are_its_data_in_their_order() -> None:
    event = VersionRegistered(
        namespace="fraud",
        model="fraud/scorer",
        version=1,
        record_digest="r",
        digest="d",
        size_bytes=7,
    )
    assert (event.kind, event.namespace, event.version) == ("version.registered", "fraud", 1)
    assert list(event.data().items()) == [("digest", "d"), ("record_digest", "r"), ("size_bytes", 7)]


def test_a_missing_or_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match="missing"):
        VersionRegistered(digest="d")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unknown \\['colour'\\]"):
        AliasRemoved(**dict.fromkeys(AliasRemoved._defaults, "x"), colour="red")  # type: ignore[arg-type,call-arg]


def test_an_event_does_not_change() -> None:
    event = VersionRegistered(digest="d", record_digest="r", size_bytes=1)
    with pytest.raises(AttributeError):
        event.digest = "e"  # type: ignore[misc]


def test_every_kind_is_told_apart_by_its_word() -> None:
    kinds = all_events()
    assert kinds["promotion.opened"] is PromotionOpened
    assert all("." in kind and cls.__doc__ != "" for kind, cls in kinds.items())
