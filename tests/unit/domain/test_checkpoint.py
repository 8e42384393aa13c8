"""Checkpoints and keys in the form of C2SP."""

from __future__ import annotations

import pytest

from modelyard.domain.checkpoint import Checkpoint, LogKey, parse_checkpoint, sign_line
from modelyard.domain.errors import Invalid

# The verifier key and the note of the Go package golang.org/x/mod/sumdb/note's documentation.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_PUBLIC = "1a5cd907143c384c41e830c5bce12aa8817ec5649aaabf2c31388b35b2d744d6"


def test_the_key_id_is_that_of_other_implementations() -> None:
    key = LogKey.parse(GO_KEY)
    assert (key.name, key.public.hex()) == ("PeterNeumann", GO_PUBLIC)
    assert key.text() == GO_KEY


KEY = LogKey("example.org/log", bytes(range(32)))
CHECKPOINT = Checkpoint("example.org/log", 42, bytes(range(32)))
NOTE = f"{CHECKPOINT.text()}\n{sign_line(KEY, bytes(64))}"


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    parsed = parse_checkpoint(NOTE)
    assert parsed.checkpoint == CHECKPOINT
    assert parsed.signed_text == CHECKPOINT.text()
    assert [(s.name, s.key_id, s.value) for s in parsed.signatures] == [(KEY.name, KEY.id, bytes(64))]


def test_extension_lines_are_signed_too() -> None:
    text = f"{CHECKPOINT.text()}extension\n"
    assert parse_checkpoint(f"{text}\n{sign_line(KEY, bytes(64))}").signed_text == text


@pytest.mark.parametrize(
    "note",
    [
        "",
        CHECKPOINT.text(),
        CHECKPOINT.text() + "\n",
        NOTE.replace("42", "042"),
        NOTE.replace("42", "-1"),
        NOTE.replace("42", "9" * 30),
        NOTE.replace("—", "-"),
        NOTE.replace("AAEC", "A?EC"),
        NOTE.replace("AAECAwQF", ""),
        NOTE.replace("example.org/log", "two words", 1),
    ],
)
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(Invalid, match="not a signed checkpoint"):
        parse_checkpoint(note)


@pytest.mark.parametrize(
    "text", ["", "a+b", "a+00000000+AAAA", GO_KEY.replace("c74f", "c74e"), GO_KEY.replace("Peter", "Petra")]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="not a log's public key"):
        LogKey.parse(text)
