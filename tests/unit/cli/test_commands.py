"""Every command: its help, its example, --json, exit codes; and that help loads no command."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from modelyard.cli import demo_models, main
from modelyard.cli.base import Command, LazyGroup
from modelyard.cli.errors import EXIT_CODES, exit_code
from modelyard.cli.output import clean, width
from modelyard.cli.reference import reference, walk
from modelyard.domain.errors import Kind, all_errors

COMMANDS = dict(walk(main.cli))
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


@pytest.mark.parametrize("words", COMMANDS)
def test_each_command_has_help_an_example_that_parses_and_json(words: str) -> None:
    found = COMMANDS[words]
    assert found.help
    assert any("--json" in param.opts for param in found.params)
    for option in found.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
    text = found.get_help(click.Context(found, info_name=words))
    assert "Example" in text
    assert "Exit codes" in text
    for line in found.example.splitlines():
        if line.startswith(f"modelyard {words}") and ">" not in line and "<" not in line:
            arguments = shlex.split(line)[1 + len(words.split()) :]
            context = found.make_context(words, [*arguments], resilient_parsing=True)
            assert context.params.keys() == {param.name for param in found.params}


@pytest.mark.parametrize("words", COMMANDS)
def test_each_example_shows_its_own_command(words: str) -> None:
    assert f"modelyard {words}" in COMMANDS[words].example


def groups(group: LazyGroup) -> list[LazyGroup]:
    context = click.Context(group)
    below = [group.get_command(context, name) for name in group.lazy]
    return [group, *(found for each in below if isinstance(each, LazyGroup) for found in groups(each))]


def test_the_lines_in_the_lists_name_real_commands() -> None:
    for group in groups(main.cli):
        context = click.Context(group)
        for name, (_, words) in group.lazy.items():
            found = group.get_command(context, name)
            assert found is not None
            assert found.name == name
            assert words.endswith(".")


def test_the_reference_page_is_up_to_date() -> None:
    assert PAGE.read_text() == reference(), "run: python -m modelyard.cli.reference > docs/reference/cli.md"


def test_help_loads_no_command() -> None:
    code = (
        "import sys; from modelyard.cli.main import run; run(['--help']); "
        "print([m for m in sys.modules if m in ('urllib3', 'tqdm', 'modelyard.sdk.http')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_kind_of_error_has_one_exit_code() -> None:
    by_kind = {
        kind: {exit_code(c.rebuild("", "", {})) for c in all_errors().values() if c.kind is kind}
        for kind in Kind
    }
    assert all(len(codes) == 1 and codes <= set(EXIT_CODES) for codes in by_kind.values())
    assert by_kind[Kind.NOT_FOUND] == {4}
    assert by_kind[Kind.DENIED] == by_kind[Kind.UNAUTHENTICATED] == {5}
    assert by_kind[Kind.REFUSED] == {3}
    assert by_kind[Kind.UNAVAILABLE] == {6}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MODELYARD_HOME", str(tmp_path))
    monkeypatch.delenv("MODELYARD_URL", raising=False)
    monkeypatch.delenv("MODELYARD_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["completion", "bash"], 0),
        (["pul"], 2),
        (["pull"], 2),
        (["push", "missing", "a/b"], 2),
        (["alias", "set", "bad::ref", "x"], 2),
        (["whoami"], 5),
        (["logout"], 5),
        (["ls", "--server", "http://127.0.0.1:9"], 6),
    ],
)
def test_exit_codes(alone: Path, arguments: list[str], code: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments) == code
    told = capfd.readouterr()
    assert bool(told.err) == (code != 0)


def test_a_problem_is_json_when_json_is_asked_for(alone: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main.run(["whoami", "--json"]) == 5
    told = capfd.readouterr()
    assert json.loads(told.out)["code"] == "not_signed_in"
    assert "modelyard login" in told.err
    assert main.run(["pull", "--json"]) == 2
    assert json.loads(capfd.readouterr().out)["code"] == "usage"


def test_near_misses_are_proposed(alone: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main.run(["serch", "x"]) == 2
    assert "search" in capfd.readouterr().err


def test_output_cannot_move_the_cursor() -> None:
    assert clean("a\x1b[2Jb\r\nc\td\x9b") == "a\\x1b[2Jb c d\\x9b"


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("模型", 4), ("e\u0301", 1)])
def test_width_on_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns


def test_completion_for_every_shell(alone: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert main.run(["completion", shell]) == 0
        assert "_MODELYARD_COMPLETE" in capfd.readouterr().out


def test_the_walk_finds_the_commands_of_groups() -> None:
    assert {"push", "alias set", "namespace grant"} <= set(COMMANDS)
    assert all(isinstance(found, Command) for found in COMMANDS.values())


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("uvicorn", ["serve", "--port", "0"], "modelyard[server]"),
        ("sqlalchemy", ["doctor", "--data", "."], "modelyard[server]"),
        ("sklearn", ["demo"], "modelyard[demo]"),
        ("pandas", ["demo"], "modelyard[demo]"),
    ],
)
def test_a_missing_extra_is_named(alone: Path, missing: str, arguments: list[str], extra: str) -> None:
    # None in sys.modules makes an import fail as if the package were not installed.
    code = f"import sys; sys.modules[{missing!r}] = None; from modelyard.cli.main import run; sys.exit(run({arguments!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=alone)
    assert done.returncode == 2
    assert f'pip install "{extra}"' in done.stderr
    assert "Traceback" not in done.stderr


def test_the_extra_of_the_demo_brings_what_it_needs() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    brought = {re.split(r"[<>=\[]", wanted)[0] for wanted in project["optional-dependencies"]["demo"]}
    assert set(demo_models.NEEDED.values()) <= brought
