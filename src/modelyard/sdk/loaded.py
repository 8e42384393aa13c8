"""Objects loaded from the registry in this process, so that models trained further from them name their parent."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple


class Loaded(NamedTuple):
    reference: str
    digest: str


_loaded: dict[int, tuple[weakref.ref[Any], Loaded]] = {}
_MOST_PARTS = 1_000


def note_loaded(model: Any, reference: str, digest: str) -> None:
    """Remember an object's origin as long as it lives, if it allows weak references."""
    key = id(model)
    try:
        held = weakref.ref(model, lambda _: _loaded.pop(key, None))
    except TypeError:
        return
    _loaded[key] = (held, Loaded(reference, digest))


def parents_of(model: Any) -> list[dict[str, str]]:
    """Return the versions that an object, or a part of it, was loaded from, as the fact `parents` has them."""
    found: dict[str, dict[str, str]] = {}
    for part in _parts_of(model):
        held, loaded = _loaded.get(id(part), (None, None))
        if held is not None and loaded is not None and held() is part:
            found[loaded.reference] = {"ref": loaded.reference, "digest": loaded.digest, "relation": "finetune"}
    return [*found.values()]


def _parts_of(model: Any) -> Iterator[Any]:
    """Yield the object, its attributes, and the items of its lists and tuples, such as the steps of a pipeline."""
    yield model
    level = list(getattr(model, "__dict__", {}).values())
    for _ in range(3):
        inner: list[Any] = []
        for part in level[:_MOST_PARTS]:
            if isinstance(part, list | tuple):
                inner.extend(part)
            elif isinstance(part, dict):
                inner.extend(part.values())
            else:
                yield part
        level = inner
