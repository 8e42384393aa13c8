"""Keras' own zip (`.keras`): config.json and metadata.json. Older HDF5 files are known by name only."""

from __future__ import annotations

from modelyard.domain.formats.facts import Draft
from modelyard.domain.formats.ranged import MIB, Malformed, Source, load_json, read_exactly
from modelyard.domain.formats.zips import list_members, read_member

MAX_MEMBER_BYTES = 8 * MIB


def read(source: Source, draft: Draft) -> None:
    draft.format, draft.framework = "keras", "keras"
    members = {m.name: m for m in list_members(source)}
    if "config.json" not in members:
        raise Malformed("the zip has no config.json")
    config = load_json(read_member(source, members["config.json"], MAX_MEMBER_BYTES), "config.json")
    if isinstance(config, dict) and isinstance(config.get("class_name"), str):
        draft.architecture = config["class_name"]
    if "metadata.json" in members:
        metadata = load_json(read_member(source, members["metadata.json"], MAX_MEMBER_BYTES), "metadata.json")
        if isinstance(metadata, dict) and isinstance(metadata.get("keras_version"), str):
            draft.details["framework_version"] = metadata["keras_version"]


def read_hdf5(source: Source, draft: Draft) -> None:
    draft.format = "hdf5"
    if read_exactly(source, 0, min(8, source.size_bytes)) != b"\x89HDF\r\n\x1a\n":
        raise Malformed("the file does not begin as HDF5")
    draft.framework = "keras"
