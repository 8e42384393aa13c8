"""The log that `modelyard run` keeps of a program's streams."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from modelyard.sdk.runs.bounded_log import MAX_LINE, BoundedLog

_SECRET = "sk-proj-" + "q7Rk2pXw9LmZ4tBvN8sYc3" * 2
_KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{'q7Rk2pXw9L' * 6}\n-----END OPENSSH PRIVATE KEY-----\n"


def kept_of(feeds: list[tuple[int, str]], streams: int) -> str:
    said: list[str] = []
    log = BoundedLog(said.append, lambda _: None)
    takes = [log.stream() for _ in range(streams)]
    for stream, text in feeds:
        takes[stream](text)
    log.finish()
    return "".join(said)


def test_text_of_another_stream_does_not_tear_a_credential_apart() -> None:
    random = Random(3)
    texts = [f"using {_SECRET}\nepoch 1\n", f"warning\n{_KEY}slow\n", f"password={_SECRET} and on"]
    for _ in range(200):
        pieces = []
        for stream, text in enumerate(texts):
            ends = sorted({0, len(text), *(random.randrange(len(text)) for _ in range(6))})
            pieces.append([(stream, text[start:end]) for start, end in pairwise(ends)])
        feeds = []
        while any(pieces):
            feeds.append(random.choice([each for each in pieces if each]).pop(0))
        kept = kept_of(feeds, len(texts))
        assert "q7Rk" not in kept
        assert "8sYc3" not in kept
        assert {"epoch 1\n", "warning\n", "slow\n"} <= set(kept.splitlines(keepends=True))


def test_a_long_line_is_cut_in_its_own_stream() -> None:
    kept = kept_of([(0, "x" * MAX_LINE), (1, "between\n"), (0, "yyy\n")], 2)
    assert kept == "between\n" + "x" * MAX_LINE + "… (3 characters cut)\n"
