"""Texts, raw numbers and safetensors that begin like a pickle are served; imports that act are not."""

from __future__ import annotations

import json
import random
import struct

import pytest

from modelyard.domain.formats import BytesSource
from modelyard.domain.scanning import Verdict, scan
from tests.support.libraries import library

WORDS = (
    "clicks platform", "cat random", "call email sms", "country locale age", "customer calendar time",
    "class token types", "click typing", "column_name time", "cat dog", "id email", "cat dog cow pig bear",
    "cat dog cow pig ant", "cat dog car bus Rome", "csharp time .net", "config.json labels.txt", "first",
    "item index inspect", "case code os", "(c) 2026 by us", "Car Xerox Tea", "icon image png", "canary sys io",
)  # fmt: skip
ATTACKS = {
    "antigravity": b"cantigravity\nx\n",
    "antigravity by INST, which joblib imports": b"iantigravity\nx\n",
    "antigravity without a last newline": b"cantigravity\nx",
    "a program of the standard library": b"cidlelib.idle\nx\n",
    "a package's own program": b"cpip.__main__\nx\n",
    "a program of any package": b"cwords.__main__\nx\n",
    "tests": b"ctest.autotest\nx\n",
    "an environment variable": b"cos\nenviron\nVA\nVb\ns",
    "a path for imports": b"csys\npath\nV/tmp\na",
    "a word list with a call": b"cat\ndog\n0cposix\nsystem\n(S'id'\ntR and words\n",
    "a table with a call": b"Vname,age\n0Vx,1\n0cbuiltins\neval\n(S'1'\ntR\n",
    "a function as the whole object": b"cposix\nsystem\n.",
    "the same with words behind": b"cposix\nsystem\n.net\n",
}


@pytest.mark.parametrize("words", WORDS)
def test_a_word_list_is_no_code(words: str) -> None:
    lines = [words] if words.startswith("(") else words.split()
    for end in ("\n", "", "\n\n"):
        data = ("\n".join(lines) + end).encode()
        assert scan(BytesSource(data)).verdict is Verdict.NO_CODE


def test_generated_word_lists_are_no_code() -> None:
    """Of words that begin with letters that are opcodes, and end like modules of the standard library."""
    some = random.Random(7)
    stems = "time random types token os sys io json locale email calendar code site cat dog age net".split()
    wrong = []
    for _ in range(3000):
        lines = [some.choice("ciIFSVNabestuRgpq.") * some.randrange(2) + some.choice(stems) for _ in range(40)]
        data = "\n".join(lines).encode()
        if scan(BytesSource(data)).verdict is not Verdict.NO_CODE:
            wrong.append(data[:80])
    # What remains imports a module that surely exists and goes on with it: no scan can tell it from an attack.
    assert len(wrong) <= 15


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_an_attack_that_looks_like_words_is_held(name: str) -> None:
    assert scan(BytesSource(ATTACKS[name])).verdict is Verdict.DANGEROUS


def safetensors(header_bytes: int, dtype: str = "F32") -> bytes:
    entry = {"w": {"dtype": dtype, "shape": [1], "data_offsets": [0, 4]}}
    return struct.pack("<Q", header_bytes) + json.dumps(entry).encode().ljust(header_bytes) + bytes(4)


def test_safetensors_of_any_header_length_and_type_is_no_code() -> None:
    lengths = [
        *range(80, 3000),
        *(0x80 + 256 * n for n in range(12, 64)),
        65_664,
        197_248,
        0x0280,
        0x58_00,
        0x4A_00_00,
    ]
    for length in lengths:
        assert scan(BytesSource(safetensors(length))).verdict is Verdict.NO_CODE, length
    assert scan(BytesSource(safetensors(128, "F2_OF_2030"))).verdict is Verdict.NO_CODE


@pytest.mark.parametrize("change", ["behind", "gap", "twice", "short"])
def test_safetensors_that_contradicts_itself_is_dangerous_by_its_bytes_alone(change: str) -> None:
    data = safetensors(136)
    if change == "behind":
        data += b"x"
    elif change == "gap":
        data = data.replace(b"[0, 4]", b"[1, 5]") + b"x"
    elif change == "twice":
        data = data.replace(b'"shape": [1],', b'"dtype":"F32",')
    else:
        data = data[:-1]
    assert scan(BytesSource(data)).verdict is Verdict.DANGEROUS


def test_raw_numbers_are_no_code() -> None:
    numpy = library("numpy")
    some = numpy.random.default_rng(0)
    for dtype in ("f2", "f4", "f8", "i1", "i4", "i8", "u1"):
        for _ in range(50):
            scaled = some.normal(size=3000) * (1 if dtype[0] == "f" else 60)
            assert scan(BytesSource(scaled.astype(dtype).tobytes())).verdict is Verdict.NO_CODE
    generator = random.Random(1)
    verdicts = [scan(BytesSource(generator.randbytes(3000))).verdict for _ in range(3000)]
    assert set(verdicts) == {Verdict.NO_CODE}
