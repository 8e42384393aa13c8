"""Words that read as translated stay out of what people read: pages, help, messages and docstrings."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src"
INSTEAD = {
    "lawful": "valid",
    "anew": "again",
    "whoever": "anyone who, the person who",
    "nobody": "no one",
    "beside": "next to, besides",
    "data set": "dataset",
    "data sets": "datasets",
}
# At the beginning of a sentence too; all in capitals it is the name of a constant.
_FORBIDDEN = re.compile(rf"\b({'|'.join(f'[{word[0]}{word[0].upper()}]{word[1:]}' for word in INSTEAD)})\b")
# Names, not words: an account that cannot be made, and an option of `promote`.
_NAMES = {"nobody", "--beside"}


def complaints(text: str, where: str) -> list[str]:
    return [f"{where}: {found[0]!r}; write {INSTEAD[found[0].lower()]}" for found in _FORBIDDEN.finditer(text)]


def pages() -> list[Path]:
    named = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [*named, *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_reads_plainly(page: Path) -> None:
    text = page.read_text().replace("--beside", "").replace("`nobody`", "")
    if page.name == "glossary.md":
        # Its last column lists the words that are not used.
        text = "\n".join(line.rpartition("|")[0].rpartition("|")[0] for line in text.splitlines())
    assert complaints(text, page.name) == []


def test_texts_in_the_source_read_plainly() -> None:
    found: list[str] = []
    for path in SOURCE.rglob("*.py"):
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
            if token.type in (tokenize.STRING, tokenize.COMMENT) and token.string.strip("rbf\"'") not in _NAMES:
                text = token.string.replace("beside:", "").replace("`beside`", "")
                found += complaints(text, f"{path.relative_to(SOURCE)}:{token.start[0]}")
    assert found == []


def doubles() -> list[tuple[str, str]]:
    """(another word, the glossary's word) for those that have no other meaning here."""
    found = []
    for line in (ROOT / "docs" / "reference" / "glossary.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[3] not in ("", "not", "---") and "(" not in cells[3]:
            found += [(word.strip(), cells[1]) for word in cells[3].split(",")]
    return found


def test_one_concept_has_one_word() -> None:
    """The pages use the glossary's words and none of their doubles."""
    assert ("workspace", "namespace") in doubles()
    words = dict(doubles())
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, words))})s?\b", re.IGNORECASE)
    found = []
    for page in pages():
        if page.name != "glossary.md":
            text = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", page.read_text(), flags=re.DOTALL)
            found += [f"{page.name}: {m[0]!r}; write {words[m[1].lower()]}" for m in pattern.finditer(text)]
    assert found == []
