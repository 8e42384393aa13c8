"""Every command that a text of the product tells people to type is one that the command line accepts.

The texts are the strings of the source: refusals, hints, fixes of gates, notes, docstrings that help shows. A value that a
text fills in is replaced by one of the kind that its name says.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from modelyard.cli import main
from modelyard.cli.reference import walk

SOURCE = Path(main.__file__).resolve().parents[1]
COMMANDS = dict(walk(main.cli))
GROUPS = {words.rpartition(" ")[0] for words in COMMANDS} - {""}

_COMMAND = re.compile(r"modelyard (?=[a-z])")
_END = re.compile(
    r"[;`\n)\]]|, |\. |\.$|: | \(| (?:or|and|in|with|brings|that|is|there|takes|does|gives|again|to|where|lists|for"
    r"|printed|a) | [<>|] |$"
)
_QUOTED = re.compile(r"(?<=[ =])(['\"])(?:(?!\1).)*\1")
_NOT_TYPED = ("blobs/layout.py", "server/checkup.py", "domain/scanning/imports.py", "cli/reference.py")
"""Files where a string that begins with the program's name is no command."""
_NUMBERS = {
    "number", "promotion", "version", "wanted", "revision", "id", "subscription", "publisher", "comment", "job", "event",
    "candidate", "latest", "seq",
}  # fmt: skip
_REFERENCES = {"reference", "ref", "target", "version_ref", "at"}


def value_for(node: ast.expr, text_before: str) -> str:
    """A value of the kind that the name in the braces says; a word where it says nothing."""
    name = re.split(r"[.(\[ ]", ast.unparse(node))
    last = next((part for part in reversed(name) if part.isidentifier()), "x")
    if last in _REFERENCES:
        return "fraud/scorer:3"
    if last in _NUMBERS:
        return "3"
    if last == "options":
        return "--data train=FILE"
    if last in ("model",) and not text_before.endswith("--"):
        return "fraud/scorer"
    return "word"


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string with its braces filled in, and the lists of words that are joined to a command."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = ""
            for part in node.values:
                if isinstance(part, ast.Constant):
                    inside.add(id(part))
                    text += str(part.value)
                elif isinstance(part, ast.FormattedValue):
                    text += value_for(part.value, text)
            yield node.lineno, text
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "shlex.join"
            and isinstance(node.args[0], ast.List)
        ):
            words = [
                str(each.value) if isinstance(each, ast.Constant) else value_for(each, "")
                for each in node.args[0].elts
                if not isinstance(each, ast.Starred)
            ]
            yield node.lineno, " ".join(words)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, re.sub(r"\{(\w+)\}", lambda m: value_for(ast.Name(m[1]), ""), node.value)


def told() -> list[tuple[str, str]]:
    """(file:line, what is to be typed after `modelyard`), for each command that a text names."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for line, text in strings(ast.parse(path.read_text(encoding="utf-8"))):
            # A text in quotes is one word, whatever is in it.
            plain = _QUOTED.sub(lambda m: "q" * len(m[0]), text.replace("…", "word"))
            for start in _COMMAND.finditer(plain):
                end = _END.search(plain, start.end())
                assert end is not None
                typed = plain[start.end() : end.start()].strip().rstrip(".,'\"")
                first, where = typed.split(" ")[0], str(path.relative_to(SOURCE))
                asked = plain[: start.start()].endswith((": ", "`", "\n  ")) or start.start() == 0
                if first in main.COMMANDS or (asked and first != "word" and where not in _NOT_TYPED):
                    found.append((f"{where}:{line}", typed))
    return found


TOLD = told()


def problem_of(typed: str) -> str | None:
    """Why the command line would not take it; None if it would."""
    try:
        words = shlex.split(re.split(r" >>? ", typed)[0])
    except ValueError as error:
        return str(error)
    words = [*words[: words.index("--")], "--", "word"] if "--" in words else words
    command: click.Command = main.cli
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            return f"there is no command {words[0]!r}"
        command, words = found, words[1:]
    if isinstance(command, click.Group):
        return None if not words else "a group"
    if not words:
        # The name of a command alone, in a sentence about it.
        return None
    context = click.Context(command)
    try:
        options, rest, _ = command.make_parser(context).parse_args([*words])
    except click.UsageError as error:
        return error.format_message()
    if rest:
        return f"it does not take {rest}"
    for param in command.params:
        given = options.get(param.name or "")
        if isinstance(param, click.Argument) and param.required and not isinstance(given, str | list | tuple):
            return f"{param.name} is missing"
    return None


def test_the_scan_finds_the_texts() -> None:
    assert len(TOLD) > 250
    assert len({typed.split(" ")[0] for _, typed in TOLD}) > 40


@pytest.mark.parametrize("file", sorted({where.partition(":")[0] for where, _ in TOLD}))
def test_every_command_that_a_text_names_is_accepted(file: str) -> None:
    problems = [
        f"{where}: modelyard {typed}: {problem}"
        for where, typed in TOLD
        if where.partition(":")[0] == file and (problem := problem_of(typed)) is not None
    ]
    assert problems == []


@pytest.mark.parametrize(
    "typed",
    [
        "pul fraud/scorer",
        "check report fraud/scorer:3",
        "push . a/b --tags x=1",
        "policy sett x",
        "runs ls x",
    ],
)
def test_a_wrong_command_would_be_found(typed: str) -> None:
    assert problem_of(typed) is not None
