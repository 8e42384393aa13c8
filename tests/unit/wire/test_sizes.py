"""A size in bytes has one name on the wire."""

from __future__ import annotations

import json

from modelyard.api.openapi import build_openapi
from modelyard.api.tables import TABLES

_COUNTS = {"Checkpoint", "LogCheck", "Consistency"}
"""Whose `size` is the number of events in the log."""


def test_no_shape_of_the_api_has_a_size_without_its_unit() -> None:
    schemas = json.loads(json.dumps(build_openapi(TABLES, "test")))["components"]["schemas"]
    bare = {name for name, schema in schemas.items() if "size" in schema.get("properties", {})}
    assert bare <= _COUNTS
    assert {"FileEntry", "BlobEntry", "Upload", "Blob", "RunArtifact"} <= {
        name for name, schema in schemas.items() if "size_bytes" in schema.get("properties", {})
    }
