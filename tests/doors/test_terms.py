"""Terms of use by the client and the command line: a terminal asks, anything else says what to type."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelyard.domain.errors import Conflict, TermsNotAccepted
from tests.support.registry import unique
from tests.support.server import RunningServer

TERMS = "# Terms of use\n\nFor research only.\n"
_SECONDS = 30.0


@pytest.fixture
def model(server: RunningServer, tmp_path: Path) -> str:
    """A model with terms that no account has accepted."""
    name = f"{unique('terms')}/scorer"
    file = tmp_path / "model.bin"
    file.write_bytes(name.encode())
    terms = tmp_path / "TERMS.md"
    terms.write_text(TERMS)
    with server.client() as client:
        client.push(file, name, capture=False)
    assert server.run("terms", "set", name, str(terms)).returncode == 0
    return name


def on_terminal(server: RunningServer, answer: str, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal, answer its question. Returns its exit code and what it printed."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "modelyard", *arguments]
    environment = {**server.environment, "TERM": "dumb"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown, end, is_answered = b"", time.monotonic() + _SECONDS, False
    while time.monotonic() < end:
        if not select.select([ours], [], [], 0.2)[0]:
            continue
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if b"[y/N]" in shown and not is_answered:
            os.write(ours, f"{answer}\n".encode())
            is_answered = True
    os.close(ours)
    try:
        code = process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return code, shown.decode("utf-8", "replace")


def test_a_script_is_refused_with_the_next_command(server: RunningServer, model: str, tmp_path: Path) -> None:
    to = tmp_path / "out"
    refused = server.run("pull", model, "--to", str(to))
    assert refused.returncode != 0
    assert f"modelyard terms accept {model}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (to / "model.bin").exists()
    asked = server.run("terms", "accept", model)
    assert asked.returncode != 0
    assert "modelyard terms show" in asked.stderr
    shown = server.run("terms", "show", model)
    assert shown.stdout == TERMS.strip() + "\n"
    assert "You have not accepted them" in shown.stderr
    digest = json.loads(server.run("terms", "show", model, "--json").stdout)["digest"]
    assert server.run("terms", "accept", model, "--digest", "sha256:0", "--yes").returncode != 0
    accepted = server.run("terms", "accept", model, "--digest", digest, "--yes")
    assert accepted.returncode == 0, accepted.stderr
    assert server.run("pull", model, "--to", str(to)).returncode == 0
    assert (to / "model.bin").read_bytes() == model.encode()
    assert server.run("terms", "ls", model).stdout.split("\t")[2].strip() == digest


def test_a_terminal_shows_them_and_asks(server: RunningServer, model: str, tmp_path: Path) -> None:
    to = tmp_path / "out"
    code, shown = on_terminal(server, "n", "pull", model, "--to", str(to))
    assert code != 0
    assert "For research only." in shown
    assert not (to / "model.bin").exists()
    code, shown = on_terminal(server, "y", "pull", model, "--to", str(to))
    assert code == 0, shown
    assert (to / "model.bin").read_bytes() == model.encode()
    with server.client() as client:
        assert client.terms.get(model).accepted_at is not None
    code, shown = on_terminal(server, "", "pull", model, "--to", str(tmp_path / "again"))
    assert (code, "[y/N]" in shown) == (0, False)


def test_a_program_gets_an_error_that_it_can_handle(server: RunningServer, model: str, tmp_path: Path) -> None:
    with server.client(cache=tmp_path / "cache") as client:
        with pytest.raises(TermsNotAccepted) as refused:
            client.pull(model, to=tmp_path / "out")
        assert refused.value.fields["model"] == model
        terms = client.terms.get(model)
        assert terms.digest is not None
        with pytest.raises(Conflict):
            client.terms.accept(model, "sha256:" + "0" * 64)
        assert client.terms.accept(model, terms.digest).accepted_at is not None
        client.pull(model, to=tmp_path / "out")
        assert len(list(client.terms.acceptances(model))) == 1
