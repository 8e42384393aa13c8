"""What is captured of code, environment and image, and that no secret is."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.sdk import capture, environment


@pytest.mark.parametrize(
    ("address", "clean"),
    [
        ("https://ann:pw@git.example/a/b.git", "https://git.example/a/b.git"),
        ("https://oauth2:hf_abcdefghijkl@git.example/a", "https://git.example/a"),
        ("https://git.example/a?private_token=x#y", "https://git.example/a"),
        ("git@git.example:a/b.git", "git@git.example:a/b.git"),
    ],
)
def test_addresses_lose_their_credentials(address: str, clean: str) -> None:
    assert capture.without_credentials(address) == clean


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--epochs", "3"], ["--epochs", "3"]),
        (["--api-key", "s3cr3t", "--lr=0.1"], ["--api-key", "***", "--lr=0.1"]),
        (["--password=s3cr3t"], ["--password=***"]),
        (["DB_PASSWORD=s3cr3t"], ["DB_PASSWORD=***"]),
        (["--token", "--verbose"], ["--token", "--verbose"]),
        (["--pass", "p4ssw0rd"], ["--pass", "***"]),
        (["--pwd", "x", "-p", "abc", "-p", "8080"], ["--pwd", "***", "-p", "***", "-p", "8080"]),
        (["--key", "abc", "--sort-key", "date"], ["--key", "***", "--sort-key", "date"]),
        (["--header", "Authorization: Bearer xyz"], ["--header", "Authorization: ***"]),
        (["-H", "Accept: text/plain"], ["-H", "Accept: text/plain"]),
        (["--conn", "Server=a;Password=b"], ["--conn", "Server=a;Password=***"]),
        (["--dsn", "ann:pw@tcp(db)/x"], ["--dsn", "***"]),
        (["db.password=x", "--apiKey=abc"], ["db.password=***", "--apiKey=***"]),
        (["-u", "bob:pw", "-pS3cret99"], ["-u", "bob:***", "-p***"]),
        (["--password", "-abc9"], ["--password", "***"]),
        (
            ["--passes", "3", "--tokens", "5", "--author", "bob"],
            ["--passes", "3", "--tokens", "5", "--author", "bob"],
        ),
        (["AKIAQW4ERTYU7IOPASDF"], ["AKIA***"]),
        (["mdy_user_abcdefghijklmnop"], ["mdy_user_***"]),
        (["--db=postgres://ann:pw@host/x"], ["--db=postgres://host/x"]),
        (["postgres://ann:pw@host/x"], ["postgres://host/x"]),
    ],
)
def test_arguments_lose_what_looks_like_a_secret(given: list[str], kept: list[str]) -> None:
    assert capture.mask_arguments(given) == kept


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_the_repository_its_commit_and_whether_it_is_dirty(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "train.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    git(tmp_path, "remote", "add", "origin", "https://ann:pw@git.example/a.git")
    clean = capture.git_facts(tmp_path)
    assert clean["repository"] == "https://git.example/a.git"
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "train.py").write_text("2")
    assert capture.git_facts(tmp_path)["dirty"] is True


def test_a_dirty_difference_is_kept_with_its_digest_and_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "train.py").write_text("a\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "train.py").write_text("token = 'mdy_user_abcdefghijklmnop'\n")
    whole = subprocess.run(["git", "-C", str(tmp_path), "diff", "HEAD"], capture_output=True, check=True).stdout
    diff = capture.git_facts(tmp_path)["diff"]
    assert diff["digest"] == f"sha256:{hashlib.sha256(whole).hexdigest()}"
    assert diff["size_bytes"] == len(whole)
    assert "+token = 'mdy_user_***'" in diff["text"]
    assert "cut" not in diff
    monkeypatch.setattr(capture, "MAX_DIFF_BYTES", whole.index(b"\n") + 5)
    short = capture.git_facts(tmp_path)["diff"]
    assert (short["digest"], short["text"], short["cut"]) == (
        diff["digest"],
        whole[: whole.index(b"\n") + 1].decode(),
        True,
    )


def test_a_detached_and_shallow_clone_is_named_as_such(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "-q", "-b", "main")
    for text in ("1", "2"):
        (origin / "a").write_text(text)
        git(origin, "add", ".")
        git(origin, "commit", "-qm", text)
    assert capture.git_facts(origin)["branch"] == "main"
    git(tmp_path, "clone", "-q", "--depth", "1", origin.as_uri(), str(tmp_path / "clone"))
    git(tmp_path / "clone", "checkout", "-q", "--detach")
    found = capture.git_facts(tmp_path / "clone")
    assert (found["branch"], found["shallow"], found["dirty"]) == (None, True, False)


def test_without_git_there_is_still_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    program = tmp_path / "train.py"
    program.write_text("print()")
    facts = capture.code_facts(capture.Place(tmp_path, program, ("--token", "x")))
    assert facts == {
        "entry_point": "train.py",
        "arguments": ["--token", "***"],
        "entry_point_digest": f"sha256:{hashlib.sha256(b'print()').hexdigest()}",
    }


def test_no_repository_is_no_fact(tmp_path: Path) -> None:
    assert capture.git_facts(tmp_path) == {}


def test_the_environment_names_python_and_packages() -> None:
    facts = environment.environment_facts()
    assert facts["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert "urllib3" in facts["packages"]


def test_the_image_is_what_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = "sha256:" + "a" * 64
    monkeypatch.setenv("MODELYARD_IMAGE", f"registry.example/train@{digest}")
    assert environment.image_facts()["digest"] == digest


def test_a_command_is_not_the_code_that_made_the_model() -> None:
    code = capture.capture(by_command=True).get("code", {})
    assert "entry_point" not in code
    assert "arguments" not in code


@pytest.mark.parametrize(
    ("remotes", "followed", "chosen"),
    [
        (["upstream"], None, "upstream"),
        (["fork", "origin"], None, "origin"),
        (["fork", "origin"], "fork", "fork"),
        (["a", "b"], None, None),
    ],
)
def test_the_remote_need_not_be_called_origin(
    tmp_path: Path, remotes: list[str], followed: str | None, chosen: str | None
) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    for name in remotes:
        git(tmp_path, "remote", "add", name, f"https://git.example/{name}.git")
    if followed is not None:
        git(tmp_path, "config", "branch.main.remote", followed)
    expected = None if chosen is None else f"https://git.example/{chosen}.git"
    assert capture.git_facts(tmp_path).get("repository") == expected


def test_a_repository_that_git_refuses_is_said_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    # Git's own switch for its tests of this.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    assert capture.git_facts(tmp_path) == {}
    assert capture.git_facts(tmp_path) == {}
    assert caplog.text.count(f"safe.directory {tmp_path}") == 1
