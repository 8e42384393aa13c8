"""Credentials on their way in: what `modelyard run` keeps, and what `modelyard push` refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.domain.errors import SecretFiles
from tests.support.registry import unique
from tests.support.server import RunningServer

_RANDOM = "q7Rk2pXw9LmZ4tBvN8sYc3"
_KEY = f"sk-proj-{_RANDOM}{_RANDOM}"
_PRIVATE = "-----BEGIN OPENSSH PRIVATE " + f"KEY-----\n{_RANDOM}\n-----END OPENSSH PRIVATE " + "KEY-----\n"
PROGRAM = f"""
import sys, time
OPENAI = "{_KEY}"
password = "hunter2hunter2"
sys.stdout.write("using sk-proj-{_RANDOM[:10]}"); sys.stdout.flush()
time.sleep(0.2); sys.stderr.write("a warning, api_key={_RANDOM[:10]}"); sys.stderr.flush(); time.sleep(0.2)
sys.stdout.write("{_RANDOM[10:]}{_RANDOM}\\n"); sys.stdout.flush()
time.sleep(0.2); sys.stderr.write("{_RANDOM[10:]}\\n"); sys.stderr.flush()
print('''{_PRIVATE}''')
print("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG")
raise SystemExit("cannot sign in with password=hunter2hunter2")
"""


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_nothing_that_a_run_keeps_holds_a_credential(server: RunningServer, tmp_path: Path) -> None:
    experiment = f"{unique('team')}/x"
    (tmp_path / "train.py").write_text("pass\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "train.py").write_text(PROGRAM)
    secret = [
        "--pass",
        "hunter2hunter2",
        "--key",
        "hunter2hunter2",
        "--header",
        "Authorization: Bearer hunter2hunter2",
    ]
    secret += ["-p", "hunter2hunter2", "--conn", "Server=a;Password=hunter2hunter2"]
    done = server.run(
        "run", "--experiment", experiment, "--", sys.executable, "train.py", *secret, cwd=tmp_path
    )
    assert done.returncode == 1
    with server.client() as client:
        (listed,) = client.runs.list(experiment=experiment)
        run = client.runs.get(listed.id)
        log = "".join(client.runs.log(listed.id))
    kept = json.dumps([run.facts, run.params, run.notes, log])
    for word in ("hunter2", _RANDOM[:10], _RANDOM[10:], "wJalr"):
        assert word not in kept, kept
    assert run.facts["code"]["diff"]["size_bytes"] > 200
    # What stands before it depends on which of the two streams was read first.
    assert "sk-proj-***" in log


SECRET_FILES = {
    ".env": "DB=1\n",
    "conf/.env.production": "DB=1\n",
    "id_rsa": _PRIVATE,
    "keys/deploy": _PRIVATE,
    "server.key": _PRIVATE,
    "modelyard-data/modelyard.db": "x",
    "modelyard-data/secret.key": "x",
    "modelyard-data/blobs/ab/abcdef": "x",
    ".aws/credentials": "[default]\n",
    "_netrc": "machine a login b password c\n",
    "service-account.json": '{"type": "service_account", "private_key": "x"}',
    "my-credentials.json": f'{{"password": "{_RANDOM}"}}',
    "store.p12": "x",
}
HARMLESS = {
    "weights.bin": "first\n",
    ".env.example": "DB=\n",
    "cert.pem": "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n",
    "id_rsa.pub": "ssh-rsa AAAA\n",
    "tokenizer.json": "{}",
    "special_tokens_map.json": '{"eos_token": "</s>"}',
    "config.json": '{"model_type": "bert"}',
    "README.md": 'set password = "your-password" first\n',
    "database.db": "x",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_push_names_the_files_that_hold_credentials_and_sends_nothing(
    server: RunningServer, tmp_path: Path
) -> None:
    folder = write(tmp_path / "model", {**SECRET_FILES, **HARMLESS})
    model = f"{unique('team')}/x"
    with server.client() as client, pytest.raises(SecretFiles) as refused:
        client.push(folder, model)
    assert sorted(refused.value.fields["paths"]) == sorted(SECRET_FILES)
    done = server.run("push", str(folder), model)
    assert done.returncode == 2, done.stderr
    for word in (".env", ".modelyardignore", "--allow-secrets"):
        assert word in done.stderr
    assert server.run("ls", model).returncode == 4
    (folder / ".modelyardignore").write_text("\n".join(["modelyard-data/", *SECRET_FILES]))
    assert server.run("push", str(folder), model).returncode == 0
    (folder / ".modelyardignore").unlink()
    told = server.run("push", str(folder), model, "--allow-secrets", "--json")
    assert told.returncode == 0
    assert json.loads(told.stdout)["version"] == 2


@pytest.mark.parametrize("name", [".env", "id_ed25519", "prod.p12"])
def test_a_single_file_is_refused_too(server: RunningServer, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    assert server.run("push", str(tmp_path / name), f"{unique('team')}/x").returncode == 2


def test_a_run_leaves_them_out_of_its_files(server: RunningServer, tmp_path: Path) -> None:
    write(tmp_path / "out", {".env": "A=1\n", "a.txt": "a"})
    experiment = f"{unique('team')}/x"
    (tmp_path / "train.py").write_text(
        f"import modelyard as my\npassword = 'hunter2hunter2'\nkey = '{_KEY}'\nwith my.run('one') as run:\n    run.log_artifact('out')\n"
    )
    environment = {**server.environment, "MODELYARD_EXPERIMENT": experiment}
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    with server.client() as client:
        (listed,) = client.runs.list(experiment=experiment)
        told = client.runs.get(listed.id)
        client.runs.pull(listed.id, tmp_path / "pulled")
    assert [artifact.path for artifact in told.artifacts] == ["code/train.py"]
    assert any(".env" in note for note in told.notes)
    source = (tmp_path / "pulled" / "code" / "train.py").read_text()
    assert "password = '***'\nkey = '***'\n" in source


def test_a_leaked_text_is_redacted_from_the_command_line(server: RunningServer, tmp_path: Path) -> None:
    write(tmp_path / "model", {"weights.bin": "first\n"})
    space = unique("team")
    leak = "the word for the vault is xylophone-marmalade"
    pushed = server.run(
        "push", str(tmp_path / "model"), f"{space}/x", "--description", leak, "--param", f"note={leak}"
    )
    assert pushed.returncode == 0, pushed.stderr
    assert server.run("redact", space, input=leak, stdin=None).returncode == 2
    done = server.run("redact", space, "--reason", "pasted by mistake", input=f"{leak}\n", stdin=None)
    assert done.returncode == 0, done.stderr
    assert "versions.record" in done.stdout
    shown = server.run("show", f"{space}/x:1", "--json").stdout
    assert "xylophone" not in shown
    assert "[redacted " in shown
    assert "pasted by mistake" in server.run("redact", space, "--list").stdout
    assert server.run("audit", "check").returncode == 0
    assert server.run("audit", "export", "--out", str(tmp_path / "log.jsonl")).returncode == 0
    assert "xylophone" not in (tmp_path / "log.jsonl").read_text()
    assert server.run("audit", "verify", str(tmp_path / "log.jsonl")).returncode == 0
