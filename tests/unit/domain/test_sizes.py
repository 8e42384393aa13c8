"""Sizes: what people write, and what they read."""

from __future__ import annotations

import pytest

from modelyard.domain.errors import Invalid
from modelyard.domain.sizes import parse_size, size_words


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10GB", 10_000_000_000),
        ("10 gb", 10_000_000_000),
        ("64MiB", 64 << 20),
        ("2TiB", 2 << 40),
        ("500M", 500_000_000),
        ("12", 12),
        ("12B", 12),
        ("1PB", 10**15),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1.5GB", "10 apples", "9999999PB", "1e3"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (12_345, "12.35 kB"),
        (10_000_000_000, "10 GB"),
        (9_876_543_210, "9.877 GB"),
        (3 * 10**18, "3000 PB"),
    ],
)
def test_sizes_are_written(size: int, words: str) -> None:
    assert size_words(size) == words
