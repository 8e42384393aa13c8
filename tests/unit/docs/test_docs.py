"""The documentation says what the program does: generated pages are up to date, links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from modelyard.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"


def write_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "tools" / "write_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(ROOT / "tools"))
    spec.loader.exec_module(module)
    return module


MODULE = write_docs()


@pytest.mark.parametrize("name", sorted(MODULE.PAGES))
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text() == MODULE.PAGES[name](), "run: make docs"


@pytest.mark.parametrize(("page", "part"), sorted(MODULE.PARTS))
def test_generated_parts_are_up_to_date(page: str, part: str) -> None:
    text = (ROOT / page).read_text()
    assert MODULE.with_part(text, part, MODULE.PARTS[page, part]()) == text, "run: make docs"


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached:
            continue
        reached.add(page)
        targets = re.findall(r"\]\(([^)#:]+\.md)(?:#[^)]*)?\)", page.read_text())
        waiting.extend(page.parent / target for target in targets)
    assert {page.resolve() for page in DOCS.rglob("*.md")} <= reached


def test_every_setting_has_a_meaning() -> None:
    for spec in fields(Settings):
        assert spec.metadata["meaning"], spec.name


def commands_in(text: str) -> list[list[str]]:
    blocks = re.findall(r"```(?:\w*)\n(.*?)```", text, re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line.split() for line in lines if line.startswith(("modelyard ", "my "))]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_documentation_exist(page: Path) -> None:
    from modelyard.cli.main import cli
    from modelyard.cli.reference import walk

    known = dict(walk(cli))
    for words in commands_in(page.read_text()):
        # What follows `--` belongs to another program.
        words = words[: words.index("--")] if "--" in words else words
        names = [word for word in words[1:3] if re.fullmatch(r"[a-z-]+", word)]
        found = known.get(" ".join(names)) or known.get(names[0] if names else "")
        found = (
            found
            or known.get(" ".join(["modelyard", *names]))
            or known.get(" ".join(["modelyard", *names[:1]]))
        )
        assert found is not None, f"{page.name} uses {' '.join(words)}"
        options = {option for parameter in found.params for option in parameter.opts + parameter.secondary_opts}
        for word in words:
            if word.startswith("--") and word != "--help":
                assert word.partition("=")[0] in options, f"{page.name}: {found.name} has no {word}"


def test_every_field_of_a_policy_has_a_meaning_on_its_page() -> None:
    rows = [
        line for line in (DOCS / "reference" / "policy.md").read_text().splitlines() if line.startswith("| `")
    ]
    assert len(rows) > 60
    for row in rows:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        assert len(cells) == 4, row
        assert cells[3], row


def test_the_targets_of_make_name_files_that_exist() -> None:
    named = re.findall(r"\b(?:tests|tools|deploy|benchmarks)/[\w/.-]+", (ROOT / "Makefile").read_text())
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
