"""Every command: its help, its example, --json, exit codes; and that help loads no command."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from modelyard.cli import arguments, main
from modelyard.cli.base import SHORT, Command, Group
from modelyard.cli.errors import EXIT_CODES, exit_code
from modelyard.cli.output import clean, width
from modelyard.cli.reference import reference, walk
from modelyard.domain.errors import Kind, all_errors
from modelyard_demo.models import NEEDED

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


def groups(group: Group) -> list[Group]:
    context = click.Context(group)
    below = [group.get_command(context, name) for name in group.list_commands(context)]
    return [group, *(found for each in below if isinstance(each, Group) for found in groups(each))]


def test_the_lines_in_the_lists_name_real_commands() -> None:
    for group in groups(main.cli):
        context = click.Context(group)
        assert list(group.lines()) == group.list_commands(context)
        for name, words in group.lines().items():
            found = group.get_command(context, name)
            assert found is not None
            assert found.name == name
            assert words.endswith(".")


def test_the_reference_page_is_up_to_date() -> None:
    assert PAGE.read_text() == reference(), "run: python -m modelyard.cli.reference > docs/reference/cli.md"


def test_help_loads_no_command() -> None:
    code = (
        "import sys; from modelyard.cli.main import run; run(['--help']); "
        "print([m for m in sys.modules if m in ('urllib3', 'modelyard.sdk.http')])"
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
        (["alias", "set", "a/bad::ref", "x"], 2),
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


def test_the_help_lists_each_command_below_one_heading() -> None:
    listed = [name for names in main.SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(main.COMMANDS)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("typed", main.HABITS)
def test_habits_from_other_programs_are_answered_with_a_command_that_is_there(
    alone: Path, capfd: pytest.CaptureFixture[str], typed: str
) -> None:
    assert typed not in main.COMMANDS
    assert main.run([typed, "x"]) == 2
    told = capfd.readouterr().err
    for words in re.findall(r"modelyard ([a-z -]+[a-z])", main.HABITS[typed]):
        assert words.split()[0] in main.COMMANDS
        assert f"modelyard {words}" in told


def test_a_short_option_means_the_same_everywhere() -> None:
    longs: dict[str, set[str]] = {}
    for command in COMMANDS.values():
        for param in command.params:
            shorts = [text for text in param.opts if len(text) == 2 and text.startswith("-")]
            for short in shorts:
                longs.setdefault(short, set()).update(text for text in param.opts if len(text) > 2)
    assert {short: sorted(names) for short, names in longs.items()} == {
        short: [long] for long, short in SHORT.items()
    }


def test_the_same_word_means_the_same_in_every_command() -> None:
    """Words that were used next to these, before one was chosen."""
    former = {"--seen", "--lift", "--comment", "--output", "--by"}
    used = {(words, text) for words, c in COMMANDS.items() for p in c.params for text in p.opts}
    assert {(words, text) for words, text in used if text in former} == set()


_BOTH = {"--files", "--dataset", "--wait", "--stage", "-s"}
"""`show --files` lists files, `lineage NAME --dataset` says that NAME is a dataset's, `build --wait` follows the build to its end,
and `rollback DEPLOYMENT --stage` moves its stage too; elsewhere they take a value."""


def test_an_option_takes_a_value_in_every_command_or_in_none() -> None:
    kinds: dict[str, set[bool]] = {}
    for command in COMMANDS.values():
        for param in command.params:
            if isinstance(param, click.Option):
                for text in param.opts:
                    kinds.setdefault(text, set()).add(param.is_flag)
    assert {text for text, found in kinds.items() if len(found) > 1} == _BOTH


def test_a_reference_in_the_place_of_a_model_is_explained(
    alone: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["rollback", "fraud/scorer:2", "production"]) == 2
    assert "modelyard rollback fraud/scorer STAGE --to 2" in capfd.readouterr().err
    (alone / "w.bin").write_bytes(b"x")
    assert main.run(["push", "w.bin", "fraud/scorer:3"]) == 2
    assert "this command takes a model: fraud/scorer" in capfd.readouterr().err
    assert main.run(["stages", "fraud/scorer@production"]) == 2


def test_output_cannot_move_the_cursor() -> None:
    assert clean("a\x1b[2Jb\r\nc\td\x9b") == "a\\x1b[2Jb c d\\x9b"


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("模型", 4), ("e\u0301", 1)])
def test_width_on_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns


def test_completion_for_every_shell(alone: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert main.run(["completion", shell]) == 0
        assert "_MODELYARD_COMPLETE" in capfd.readouterr().out


def test_completion_asks_for_a_short_time_and_never_says_anything(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as silent:
        # It takes connections and never answers.
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        deaf = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for url in ("http://127.0.0.1:9", deaf, "no address", ""):
            monkeypatch.setenv("MODELYARD_URL", url)
            for kind in (arguments.MODEL, arguments.REF, arguments.STAGE, arguments.ALIAS, arguments.RUN):
                context = click.Context(COMMANDS["promote"])
                context.params = {"ref": "fraud/scorer:1"}
                monkeypatch.setattr(arguments, "_PATIENCE_SECONDS", 0.2)
                assert kind.shell_complete(context, COMMANDS["promote"].params[0], "fr") == []
    assert capfd.readouterr() == ("", "")


def test_arguments_that_name_a_thing_of_the_registry_complete_it() -> None:
    kinds = {
        "model": arguments.MODEL, "ref": arguments.REF, "refs": arguments.REF, "stage": arguments.STAGE, "run": arguments.RUN,
    }  # fmt: skip
    plain = {
        (words, param.name)
        for words, command in COMMANDS.items()
        for param in command.params
        if isinstance(param, click.Argument) and param.name in kinds and param.type is not kinds[param.name]
    }
    assert plain == {("dataset show", "ref")}, "a dataset is not a model"


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
    extras = project["optional-dependencies"]
    wanted = [*extras["demo"], *extras["sklearn"]]
    assert any("sklearn" in text for text in extras["demo"])
    brought = {re.split(r"[<>=\[]", text)[0] for text in wanted}
    assert set(NEEDED.values()) <= brought


NOT_NEEDED = frozenset(
    "concurrent.futures h5py numpy modelyard.cli.progress modelyard.domain.manifest modelyard.domain.profile "
    "modelyard.domain.record modelyard.domain.signature modelyard.sdk.comparison modelyard.sdk.convert "
    "modelyard.sdk.datasets modelyard.sdk.files modelyard.sdk.load modelyard.sdk.outbox modelyard.sdk.pull "
    "modelyard.sdk.push modelyard.sdk.savers modelyard.sdk.signatures modelyard.sdk.transfer modelyard.wire.runs".split()
)
MOST_MODULES = 50
"""Own modules that a command which shows something imports; each takes about a millisecond."""


@pytest.mark.parametrize("arguments", [["show", "fraud/scorer:1"], ["ls", "fraud"]])
def test_a_short_command_imports_what_it_needs(arguments: list[str], alone: Path) -> None:
    code = (
        "import sys\n"
        "from modelyard.cli.main import run\n"
        "import modelyard.domain.errors as errors, modelyard.sdk.http as http\n"
        "def send(*_, **__): raise errors.UnexpectedAnswer(url='', status=200)\n"
        "http.Transport.send = send\n"
        f"code = run({[*arguments, '--server', 'http://127.0.0.1:1']!r})\n"
        "print(code, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    code_shown, *modules = done.stdout.splitlines()[-1].split()
    assert code_shown == "6", done.stderr
    assert {"modelyard.sdk.views", "modelyard.sdk.http"} <= {*modules}
    assert not NOT_NEEDED & {*modules}
    own = [name for name in modules if name.partition(".")[0] == "modelyard"]
    assert len(own) <= MOST_MODULES, sorted(own)
