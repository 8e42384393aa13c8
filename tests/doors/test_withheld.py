"""A file with a leaked key is withheld from the command line: what people and programs see from then on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.domain.errors import BytesWithheld, FileWithheld, Invalid
from modelyard.wire.runs import RunDetails
from tests.support.registry import unique
from tests.support.server import RunningServer

LEAK = "the word for the vault is xylophone-marmalade\n"
REASON = "the vault's word stands in it"


def write(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def stored(server: RunningServer, text: str) -> list[Path]:
    """Files of the data folder that hold the text."""
    return [
        path
        for path in server.data.rglob("*")
        if path.is_file() and "blobs" in path.parts and text.encode() in path.read_bytes()
    ]


def test_a_file_is_withheld_from_the_command_line(server: RunningServer, tmp_path: Path) -> None:
    model = f"{unique('team')}/scorer"
    leak = f"{unique('leak')} {LEAK}"
    files = {"weights.bin": "first\n", "config/settings.txt": leak, "README.md": "# Purpose\nscores\n"}
    source = write(tmp_path / "source", files)
    assert server.run("push", str(source), model).returncode == 0
    assert server.run("push", str(source), f"{model}-copy").returncode == 0
    assert server.run("pull", f"{model}:1", "--to", str(tmp_path / "early")).returncode == 0
    assert (tmp_path / "early" / "config" / "settings.txt").read_text() == leak
    assert stored(server, leak)

    assert server.run("redact", f"{model}:1", "--file", "config/settings.txt").returncode == 2, "no reason"
    done = server.run("redact", f"{model}:1", "--file", "config/settings.txt", "--reason", REASON)
    assert done.returncode == 0, done.stderr
    assert f"also\t{model}-copy:1 config/settings.txt" in done.stdout
    assert stored(server, leak) == []

    shown = server.run("show", f"{model}:1").stdout
    (line,) = [line for line in shown.splitlines() if line.startswith("withheld")]
    assert "config/settings.txt" in line
    assert REASON in line
    assert REASON in server.run("redact", model.partition("/")[0], "--list").stdout

    for name in (model, f"{model}-copy"):
        late = tmp_path / name.replace("/", "-")
        pulled = server.run("pull", f"{name}:1", "--to", str(late))
        assert pulled.returncode == 0, pulled.stderr
        (line,) = [line for line in pulled.stderr.splitlines() if "config/settings.txt" in line]
        assert REASON in line
        assert "(event " in line
        assert (late / "weights.bin").read_text() == "first\n"
        assert not (late / "config" / "settings.txt").exists()
    again = server.run("pull", f"{model}:1", "--to", str(tmp_path / "early"))
    assert again.returncode == 0, again.stderr
    assert not (tmp_path / "early" / "config" / "settings.txt").exists(), "what the earlier pull brought goes"

    refused = server.run("push", str(source), model, "--param", "n=2")
    assert refused.returncode == 1
    assert "config/settings.txt: the bytes sha256:" in refused.stderr
    assert REASON in refused.stderr

    assert server.run("verify", f"{model}:1").returncode == 0
    assert server.run("scrub").returncode == 0
    assert server.run("doctor").returncode == 0
    assert server.run("gc", "--run").returncode == 0
    assert server.run("audit", "check").returncode == 0
    assert server.run("audit", "export", "--out", str(tmp_path / "log.jsonl")).returncode == 0
    assert server.run("audit", "verify", str(tmp_path / "log.jsonl")).returncode == 0
    refused = server.run("promote", f"{model}:1", "staging")
    assert refused.returncode != 0
    assert "some of its files are withheld: config/settings.txt" in refused.stderr


def test_what_is_withheld_stays_so_after_a_kill(server: RunningServer, tmp_path: Path) -> None:
    model = f"{unique('team')}/scorer"
    leak = f"{unique('leak')} {LEAK}"
    source = write(tmp_path / "source", {"weights.bin": "first\n", "settings.txt": leak})
    assert server.run("push", str(source), model).returncode == 0
    (place,) = stored(server, leak)
    kept = place.read_bytes()
    assert server.run("redact", f"{model}:1", "--file", "settings.txt", "--reason", REASON).returncode == 0
    server.kill()
    # As if the kill had come before the bytes were removed.
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(kept)
    server.start()
    with server.client() as client:
        with pytest.warns(UserWarning, match="settings.txt"):
            folder = client.pull(f"{model}:1", tmp_path / "pulled")
        assert not (folder / "settings.txt").exists()
        with pytest.raises(BytesWithheld, match=r"settings\.txt"):
            client.push(source, model, params={"n": 2}, capture=False)
        assert client.admin.collect_garbage(dry_run=False).withheld == 1
    assert stored(server, leak) == []


def test_a_model_without_a_needed_file_says_why_it_does_not_load(server: RunningServer, tmp_path: Path) -> None:
    model = f"{unique('team')}/scorer"
    loader = {"files": ["model.bin"], "saver": "none", "n": unique()}
    texts = {"modelyard.json": json.dumps(loader), "model.bin": unique("model"), "notes.txt": unique("notes")}
    source = write(tmp_path / "source", texts)
    with server.client() as client:
        client.push(source, model, capture=False)
        client.redactions.withhold(f"{model}:1", "notes.txt", reason=REASON)
        with pytest.raises(Invalid, match="format_version"):
            client.load(f"{model}:1")
        client.redactions.withhold(f"{model}:1", "model.bin", reason=REASON)
        with pytest.raises(FileWithheld, match=rf"model\.bin of {model}:1 was withheld .*{REASON}"):
            client.load(f"{model}:1")


def test_a_file_of_a_run_is_withheld(server: RunningServer, tmp_path: Path) -> None:
    experiment, leak = f"{unique('team')}/training", unique("leak")
    program = f"import modelyard as my\nwith my.run('one') as run:\n    run.log_metric('f1', 0.5)  # {leak}\n"
    (tmp_path / "train.py").write_text(program)
    environment = {**server.environment, "MODELYARD_EXPERIMENT": experiment}

    def train() -> RunDetails:
        subprocess.run(
            [sys.executable, "train.py"], cwd=tmp_path, env=environment, check=True, capture_output=True
        )
        with server.client() as client:
            return client.runs.get(next(iter(client.runs.list(experiment=experiment))).id)

    first = train()
    assert [artifact.path for artifact in first.artifacts] == ["code/train.py"]
    done = server.run("redact", f"run:{first.id[:12]}", "--file", "code/train.py", "--reason", REASON)
    assert done.returncode == 0, done.stderr
    everything = server.run("runs", "pull", first.id, str(tmp_path / "pulled"))
    assert everything.returncode == 0, everything.stderr
    assert REASON in everything.stderr
    assert not (tmp_path / "pulled" / "code" / "train.py").exists()
    named = server.run("runs", "pull", first.id, str(tmp_path / "pulled"), "code/train.py")
    assert named.returncode == 1
    assert REASON in named.stderr
    # The same program runs again: its file is left out, and all else is kept.
    second = train()
    assert (second.status, second.artifacts) == ("finished", [])
    assert list(second.metrics) == ["f1"]
    assert any("'code/train.py' was left out" in note and REASON in note for note in second.notes)
