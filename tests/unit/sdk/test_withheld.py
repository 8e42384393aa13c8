"""What a client does without files that are withheld."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelyard.domain.digest import Digest
from modelyard.domain.errors import FileWithheld
from modelyard.domain.manifest import File, Manifest
from modelyard.sdk.load import refuse_lost
from modelyard.sdk.pull import Pulled, left_out_text
from modelyard.wire.versions import Resolved, WithheldFile

REFERENCE = "fraud/scorer:3"


def withheld(path: str, event: int | None = 7) -> WithheldFile:
    return WithheldFile(
        path=path,
        digest=Digest.of(b"x"),
        event=event,
        by="ada",
        at="2026-01-02T03:04:05.000000Z",
        reason="a key",
    )


def pulled(folder: Path, *paths: str) -> Pulled:
    version = Resolved(
        model="fraud/scorer",
        version=3,
        reference=REFERENCE,
        digest=Digest.of(b"manifest"),
        record_digest=Digest.of(b"record"),
        state="ready",
        size_bytes=1,
        created_at="2026-01-01T00:00:00.000000Z",
    )
    manifest = Manifest.of([File("model.bin", Digest.of(b"x"), 1)])
    return Pulled(folder, version, manifest, 0, tuple(withheld(path) for path in paths))


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            7,
            "Left out, because it is withheld: a.env, by ada at 2026-01-02T03:04:05.000000Z (event 7): a key",
        ),
        (
            None,
            "Left out, because it is withheld: a.env, by ada at 2026-01-02T03:04:05.000000Z (no event): a key",
        ),
    ],
)
def test_one_line_names_path_event_and_reason(event: int | None, words: str) -> None:
    assert left_out_text(withheld("a.env", event)) == words


LOADERS = {
    "names the files": json.dumps({"files": ["model.bin", 3]}),
    "names none": json.dumps({"files": "model.bin"}),
    "is a list": "[]",
    "is no JSON": "{",
    "is not there": None,
}


@pytest.mark.parametrize(
    ("loader", "left_out", "refused"),
    [
        ("names the files", (), None),
        ("names the files", ("notes.txt",), None),
        ("names the files", ("notes.txt", "model.bin"), "model.bin"),
        ("names none", ("model.bin",), None),
        ("is a list", ("model.bin",), None),
        ("is no JSON", ("model.bin",), None),
        ("is not there", ("README.md",), None),
        ("is not there", ("modelyard.json",), "modelyard.json"),
    ],
)
def test_only_what_the_loader_needs_is_missed(
    tmp_path: Path, loader: str, left_out: tuple[str, ...], refused: str | None
) -> None:
    text = LOADERS[loader]
    if text is not None:
        (tmp_path / "modelyard.json").write_text(text)
    found = pulled(tmp_path, *left_out)
    if refused is None:
        refuse_lost(found)
        return
    with pytest.raises(FileWithheld) as error:
        refuse_lost(found)
    assert error.value.fields["path"] == refused
    assert f"{refused} of {REFERENCE} was withheld for good by ada" in str(error.value)
    assert "modelyard ls fraud/scorer" in str(error.value)
