"""LightGBM's text model: its header of `key=value` lines, up to the first tree.

Source: LightGBM's GBDT::SaveModelToString.
"""

from __future__ import annotations

from modelyard.domain.formats.facts import Draft
from modelyard.domain.formats.ranged import MIB, Malformed, Source, read_exactly

MAX_HEADER_BYTES = 2 * MIB
_KEYS = ("version", "num_class", "max_feature_idx", "objective", "feature_names", "tree_sizes", "label_index")


def looks_like_lightgbm(head: bytes) -> bool:
    return head.startswith((b"tree\nversion=", b"tree\r\nversion="))


def read(source: Source, draft: Draft) -> None:
    draft.format, draft.framework = "lightgbm-text", "lightgbm"
    head = read_exactly(source, 0, min(MAX_HEADER_BYTES, source.size_bytes))
    header, found_tree, _ = head.partition(b"\nTree=0")
    if not found_tree and len(head) < source.size_bytes:
        draft.note_truncated("header")
    keys: dict[str, str] = {}
    for line in header.decode("utf-8", "replace").splitlines():
        key, equals, value = line.partition("=")
        if equals and key in _KEYS:
            keys.setdefault(key, value)
    if "objective" in keys:
        draft.details["objective"] = keys["objective"].split(" ")[0]
        draft.details["objective_parameters"] = keys["objective"].partition(" ")[2]
    draft.details["model_version"] = keys.get("version")
    draft.details["classes"] = _count(keys.get("num_class"))
    highest = _count(keys.get("max_feature_idx"))
    draft.details["features"] = None if highest is None else highest + 1
    names = keys.get("feature_names", "").split()
    draft.details["feature_names"] = names
    if "tree_sizes" in keys:
        draft.details["trees"] = len(keys["tree_sizes"].split())
    draft.architecture = "gbdt"
    if highest is not None and names and len(names) != highest + 1:
        draft.problems.append(f"{len(names)} feature names are listed for {highest + 1} features")
    if highest is None or "num_class" not in keys:
        raise Malformed("the header lacks num_class or max_feature_idx")


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= 18 else None
