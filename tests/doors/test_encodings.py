"""No command depends on what a terminal can show, and text that is not UTF-8 is refused in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.cli.main import COMMANDS
from modelyard.domain.errors import Invalid
from tests.support.server import RunningServer

NOT_TEXT = b"caf\xe9"


def command(
    server: RunningServer, *arguments: str | bytes, cwd: Path | None = None, **variables: str
) -> tuple[int, bytes]:
    """(exit code, both outputs), as bytes that may be no text."""
    done = subprocess.run(
        [sys.executable, "-m", "modelyard", *arguments],
        env={**server.environment, **variables},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    assert b"Traceback" not in done.stdout, done.stdout.decode("utf-8", "replace")
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def model(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("m")
    (folder / "m\u00f6del \u6a21.bin").write_bytes(b"x")
    client = server.client()
    client.push(
        folder, "enc/model", description="\u6b3a\u8bc8 \u2026 \u20ac", capture=False, tags={"\u00e4": "\u2713"}
    )
    return "enc/model:1"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1", "gbk"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "enc/model:1"],
        ["show", "enc/model:1", "--files"],
        ["show", "enc/model:1", "--json"],
        ["history", "enc/model"],
        ["ls", "enc/model"],
        ["promote", "enc/model:1", "staging", "--dry-run"],
        ["--help"],
        ["show", "enc/nothing:1"],
    ],
    ids=" ".join,
)
def test_exit_codes_do_not_depend_on_the_encoding_of_the_terminal(
    server: RunningServer, model: str, encoding: str, arguments: list[str]
) -> None:
    usual, _ = command(server, *arguments, PYTHONIOENCODING="utf-8")
    assert command(server, *arguments, PYTHONIOENCODING=encoding)[0] == usual


@pytest.mark.parametrize(
    "arguments",
    [
        ["push", "FILE", "enc/other", "--description", NOT_TEXT],
        ["push", "FILE", "enc/other", "--tag", b"k=" + NOT_TEXT],
        ["push", NOT_TEXT, "enc/other"],
        ["search", NOT_TEXT],
        ["alias", "set", "enc/model:1", "one", "--reason", NOT_TEXT],
        ["comment", "add", "enc/model", NOT_TEXT],
    ],
    ids=lambda arguments: repr(arguments[0]),
)
def test_arguments_that_are_no_text_are_refused_in_words(
    server: RunningServer, model: str, tmp_path: Path, arguments: list[str | bytes]
) -> None:
    (tmp_path / "FILE").write_bytes(b"y")
    code, said = command(server, *arguments, cwd=tmp_path)
    assert code == 2, said
    assert rb"caf\xe9" in said


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_refuses_what_is_no_text(server: RunningServer, name: str) -> None:
    from modelyard.cli.main import run

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODELYARD_HOME", str(server.home))
        assert run([name, "caf\udce9"]) == 2


def test_a_program_may_have_any_name(server: RunningServer, tmp_path: Path) -> None:
    program = os.fsencode(tmp_path) + b"/s\xe9.py"
    Path(os.fsdecode(program)).write_text("print('ran')")
    code, said = command(
        server, "run", "--experiment", "enc/odd", "--", sys.executable, program, NOT_TEXT, cwd=tmp_path
    )
    assert code == 0, said
    client = server.client()
    (run,) = client.runs.list(experiment="enc/odd")
    assert run.name == r"s\xe9"
    code_facts = client.runs.get(run.id).facts["code"]
    assert json.dumps(code_facts["command"]).count(r"\\xe9") == 2


@pytest.mark.parametrize("text", ["caf\udce9", "\ud800"])
def test_surrogates_from_python_are_refused_in_words(server: RunningServer, tmp_path: Path, text: str) -> None:
    (tmp_path / "m.bin").write_bytes(b"z")
    with server.client() as client, pytest.raises(Invalid, match=r"not UTF-8|not valid Unicode"):
        client.push(tmp_path / "m.bin", "enc/python", description=text, capture=False)
