"""Edges of client and server: where pulled files go, what a terminal is shown, who may read what lies on the disk."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3

from modelyard.domain.errors import Invalid, InvalidPath, WouldOverwrite
from modelyard.sdk import credentials
from modelyard.sdk.cache import Cache
from modelyard.sdk.client import Client
from modelyard.sdk.http import checked_url
from modelyard.server.certificates import check_certificate
from tests.support.registry import unique
from tests.support.server import RunningServer, running_server

RUN = "import modelyard as my\nwith my.run('one') as run:\n    run.log_bytes(b'inside', 'out/x.txt')\n"


@pytest.fixture
def run_id(server: RunningServer, tmp_path: Path) -> str:
    experiment = f"{unique('team')}/x"
    (tmp_path / "train.py").write_text(RUN + "print('\\x1b]0;owned\\x07\\x9b2J\\u202egnp.exe', end='\\r')\n")
    environment = {**server.environment, "MODELYARD_EXPERIMENT": experiment}
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    with server.client() as client:
        (listed,) = client.runs.list(experiment=experiment)
    return listed.id


def test_pulling_the_files_of_a_run_follows_no_link(server: RunningServer, run_id: str, tmp_path: Path) -> None:
    outside, target = tmp_path / "outside", tmp_path / "target"
    outside.mkdir()
    target.mkdir()
    (target / "out").symlink_to(outside)
    with server.client() as client:
        with pytest.raises(InvalidPath, match="link"):
            client.runs.pull(run_id, target)
        assert list(outside.iterdir()) == []
        (target / "out").unlink()
        (target / "out").write_text("a file")
        with pytest.raises(WouldOverwrite):
            client.runs.pull(run_id, target)
        (target / "out").unlink()
        # A link in the place of the file itself is replaced, and what it points at stays.
        (target / "out").mkdir()
        (outside / "x.txt").write_text("precious")
        (target / "out" / "x.txt").symlink_to(outside / "x.txt")
        client.runs.pull(run_id, target)
    assert (outside / "x.txt").read_text() == "precious"
    assert (target / "out" / "x.txt").read_text() == "inside"
    assert not (target / "out" / "x.txt").is_symlink()
    assert sorted(path.name for path in (target / "out").iterdir()) == ["x.txt"]


@pytest.mark.parametrize(
    "name",
    [
        "ckpt:v1.bin",
        "a?b.bin",
        "aux.py",
        "nul.txt",
        "pipe|.bin",
        "a\u202eb.bin",
        ".Cache/x",
        ".vscode/tasks.json",
    ],
)
def test_push_refuses_names_that_other_systems_cannot_hold(
    server: RunningServer, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "model" / name
    path.parent.mkdir(parents=True)
    path.write_text("x")
    done = server.run("push", str(tmp_path / "model"), f"{unique('team')}/x")
    assert done.returncode == 2, done.stdout
    assert "file path" in done.stderr
    assert "absolute" not in done.stderr


def test_what_a_run_printed_cannot_steer_the_terminal(server: RunningServer, tmp_path: Path) -> None:
    experiment = f"{unique('team')}/x"
    code = "import sys; sys.stdout.buffer.write('\\x1b]0;owned\\x07 \\x9b2J \\u202egnp.exe 50%\\r100%\\n'.encode())"
    assert server.run("run", "--experiment", experiment, "--", sys.executable, "-c", code).returncode == 0
    listed = json.loads(server.run("runs", "ls", "--experiment", experiment, "--json").stdout)
    log = server.run("runs", "log", listed[0]["id"]).stdout
    assert "\\x1b]0;owned\\x07 \\x9b2J \\u202egnp.exe 50%\n100%\n" in log
    told = server.run("runs", "log", listed[0]["id"], "--json").stdout
    for char in "\x1b\x07\x9b\u202e\r":
        assert char not in log
        assert char not in told
    assert "\x9b2J" in json.loads(told)["text"]


@pytest.mark.parametrize("word", ["\x1b[2J", "\x9b2J", "\u202egnp", "\x07"])
def test_no_text_of_people_steers_the_terminal(server: RunningServer, tmp_path: Path, word: str) -> None:
    (tmp_path / "weights.bin").write_text("x")
    model = f"{unique('team')}/x"
    with server.client() as client:
        client.push(
            tmp_path / "weights.bin",
            model,
            description=f"a{word}b",
            tags={"k": f"a{word}b"},
            facts={"params": {"p": word}},
        )
        client.set_card(f"{model}:1", f"# a{word}b\n\ntext{word}\n")
    for command in (
        ["show", f"{model}:1"],
        ["card", "show", f"{model}:1"],
        ["show", f"{model}:1", "--json"],
        ["search", model],
    ):
        done = server.run(*command)
        assert done.returncode == 0, done.stderr
        assert word not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("registry.example.org", "https://registry.example.org"),
        ("registry.example.org:8470", "https://registry.example.org:8470"),
        ("10.1.2.3:8470", "https://10.1.2.3:8470"),
        ("127.0.0.1:8470", "http://127.0.0.1:8470"),
        ("localhost:8470", "http://localhost:8470"),
        ("[::1]:8470", "http://[::1]:8470"),
        ("127.0.0.1.evil.example", "https://127.0.0.1.evil.example"),
        ("localhost.evil.example", "https://localhost.evil.example"),
    ],
)
def test_an_address_without_a_scheme_is_encrypted_beyond_this_machine(given: str, url: str) -> None:
    assert checked_url(given) == url


def test_a_token_is_not_sent_in_the_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_HOME", str(tmp_path))
    url = "http://registry.example.org"
    with pytest.raises(Invalid, match="--insecure"):
        Client(url, "mdy_user_x")
    Client(url, "mdy_user_x", insecure=True).close()
    credentials.save(url, "mdy_user_x", "ann", make_default=True)
    with pytest.raises(Invalid, match="not encrypted"):
        Client()
    credentials.save(url, "mdy_user_x", "ann", make_default=True, insecure=True)
    Client().close()
    credentials.forget(url)
    monkeypatch.setenv("MODELYARD_INSECURE", "1")
    Client(url, "mdy_user_x").close()


def test_login_refuses_it_before_it_asks_for_the_token(server: RunningServer) -> None:
    done = server.run("login", "http://registry.example.org", input="mdy_user_x\n", stdin=None)
    assert done.returncode == 2
    assert "not encrypted" in done.stderr


def modes(folder: Path) -> dict[str, int]:
    found = {}
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(place) / name
            found[str(path.relative_to(folder))] = stat.S_IMODE(path.lstat().st_mode)
    return found


def test_what_the_server_keeps_is_nobody_elses(tmp_path: Path) -> None:
    """Also what an earlier release left open in a folder that was there before."""
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        with running_server(folder=tmp_path, data=data) as running:
            (tmp_path / "w.bin").write_text("x")
            assert running.run("push", str(tmp_path / "w.bin"), "a/b").returncode == 0
            assert not [name for name, mode in modes(data).items() if mode & 0o077], modes(data)
            running.stop()
            for name in ("modelyard.db", "secret.key"):
                (data / name).chmod(0o644)
            running.start()
            assert not [name for name, mode in modes(data).items() if mode & 0o077], modes(data)
    finally:
        os.umask(before)


def test_what_the_client_keeps_is_nobody_elses(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_text(unique("content"))
    model = f"{unique('team')}/x"
    home = tmp_path / "cache"
    home.mkdir(mode=0o755)
    with server.client(cache=home) as client:
        client.push(tmp_path / "w.bin", model)
        client.pull(model, tmp_path / "pulled")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    blobs = [path for path in (home / "blobs").rglob("*") if path.is_file()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in blobs] == [0o400]
    assert Cache(home).use().files == 1


# --- certificates --------------------------------------------------------------------------------


def certificate(folder: Path, begins: timedelta, ends: timedelta) -> tuple[str, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = folder / "key.pem"
    private.touch(0o600)
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(folder / "cert.pem"), str(private)


@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [(-10, -1, "expired"), (1, 10, "is not valid before"), (-10, 3, "expires on"), (-10, 90, None)],
)
def test_the_dates_of_a_certificate(tmp_path: Path, begins: int, ends: int, words: str | None) -> None:
    pair = certificate(tmp_path, timedelta(days=begins), timedelta(days=ends))
    told = check_certificate(*pair)
    assert [words in each for each in told] == [True] if words else told == []


def test_a_key_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    pair = certificate(tmp_path, timedelta(days=-1), timedelta(days=90))
    Path(pair[1]).chmod(0o644)
    with pytest.raises(Invalid, match="read by every user"):
        check_certificate(*pair)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "modelyard",
            "serve",
            "--data",
            str(tmp_path / "d"),
            "--port",
            "0",
            "--tls-cert",
            pair[0],
            "--tls-key",
            pair[1],
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "MODELYARD_HOME": str(tmp_path / "home")},
        check=False,
    )
    assert done.returncode == 2
    assert "chmod o-rwx" in done.stderr


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = certificate(tmp_path / "a", timedelta(days=-1), timedelta(days=90))
    other = certificate(tmp_path / "b", timedelta(days=-1), timedelta(days=90))
    with pytest.raises(Invalid, match="cannot be used"):
        check_certificate(one[0], other[1])


def test_a_backup_with_a_damaged_file_ends_with_its_own_code(tmp_path: Path) -> None:
    with running_server(folder=tmp_path) as running:
        for name in ("one", "two"):
            (tmp_path / f"{name}.bin").write_text(name)
            assert running.run("push", str(tmp_path / f"{name}.bin"), f"a/{name}").returncode == 0
        blob = next(
            path
            for path in (running.data / "blobs").rglob("*")
            if path.is_file() and path.read_bytes() == b"one"
        )
        blob.chmod(0o600)
        blob.write_bytes(b"eno")
        done = running.run("backup", str(tmp_path / "backup"), "--data", str(running.data))
        assert done.returncode == 7, done.stderr
        assert "a/one:1 one.bin" in done.stderr
        assert (tmp_path / "backup" / "backup.json").exists()
        # Its age is noted in the database, where the running server finds it.
        headers = {"authorization": f"Bearer {running.token}"}
        metrics = urllib3.request("GET", f"{running.url}/metrics", headers=headers).data.decode()
        assert "\nmodelyard_last_backup_age_seconds " in metrics
