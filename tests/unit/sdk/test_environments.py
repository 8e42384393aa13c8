"""Environments of builds: one folder for each key, made once, from a lock with hashes, with our client last."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modelyard.agent.processes import Ended, Limits, Stop, run_process
from modelyard.sdk.environments import Needed, NotMade, _forget_old, _lock_of, find_python, key_of, prepare
from tests.support.wheels import make_wheel

LOCK = "a==1 --hash=sha256:aa\nb==2 --hash=sha256:bb\n"


def test_the_key_is_that_of_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_of(LOCK, "3.11.7")
    assert (
        key_of("# made by a tool\nb==2 \\\n    --hash=sha256:bb\na==1 --hash=sha256:aa  # via b\n", "3.11.7")
        == key
    )
    others = {key_of(LOCK.replace("bb", "cc"), "3.11.7"), key_of(LOCK, "3.11.8"), key_of("", "3.11.7")}
    monkeypatch.setattr("sysconfig.get_platform", lambda: "other")
    assert len(others | {key_of(LOCK, "3.11.7"), key}) == 5


def test_the_agents_own_python_is_found_without_looking_further() -> None:
    own = (Path(sys.executable), platform.python_version())
    assert find_python("") == own
    assert find_python(".".join(map(str, sys.version_info[:2]))) == own


def test_a_python_that_is_missing_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(NotMade, match=r"Python 3\.99 is not installed") as refused:
        find_python("3.99")
    assert platform.python_version() in str(refused.value)
    assert "none is downloaded" in str(refused.value)


class Place:
    """A folder of environments, a source, and what was said."""

    def __init__(self, folder: Path) -> None:
        self.root, self.source = folder / "environments", folder / "source"
        self.source.mkdir()
        self.log: list[str] = []
        self.commands: list[Sequence[str]] = []

    def run(self, command: Sequence[str], folder: Path) -> Ended:
        self.commands.append(command)
        return run_process(
            command,
            folder=folder,
            variables=dict(os.environ),
            log=self.log.append,
            stop=Stop(),
            limits=Limits(),
        )

    def prepare(self, name: str, text: str, word: str = "lock") -> tuple[Path, str, bool]:
        path = self.source / name
        path.write_text(text)
        made = prepare(Needed(**{word: path}), self.root, self.run, self.log.append, lambda: False)  # type: ignore[arg-type]
        return made.python, made.lock, made.reused


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    # Without uv, so that the same is tested on every machine.
    monkeypatch.setattr("shutil.which", lambda name: None)
    return Place(tmp_path)


# --- with uv -----------------------------------------------------------------------------------------


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    folder = Path(sys.executable).parent
    if not (folder / "uv").exists():
        pytest.fail("uv is not installed next to this Python; install the extra `server`")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "environments" / "cache"))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    return Place(tmp_path)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    """A package index of the folder `simple`."""
    (tmp_path / "simple").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.server_close()


def publish(folder: Path, name: str, content: str) -> str:
    """Put a wheel into an index, and return its digest."""
    page = folder / "simple" / name
    page.mkdir()
    digest = make_wheel(page, name, content)
    wheel = f"{name}-1.0-py3-none-any.whl"
    (page / "index.html").write_text(f'<a href="{wheel}#sha256={digest}">{wheel}</a>')
    return digest


def test_uv_makes_it_from_the_index_and_again_when_the_index_is_gone(
    uv: Place, index: ThreadingHTTPServer, tmp_path: Path
) -> None:
    digests = {name: publish(tmp_path, name, f"x = {name!r}") for name in ("small", "other")}
    source = f"--index-url http://127.0.0.1:{index.server_port}/simple/\n"
    lock = source + "".join(f"{name}==1.0 --hash=sha256:{digest}\n" for name, digest in digests.items())
    python, _, reused = uv.prepare("lock.txt", lock)
    assert not reused
    program = "import small, other, modelyard; print(small.x, other.x, small.__cached__)"

    def told() -> str:
        return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout

    words = told()
    assert words.startswith("small other ")
    # Bytecode is there before the first import: steps see the environment read-only.
    assert Path(words.split()[2]).stat().st_mtime <= (python.parents[1] / ".complete").stat().st_mtime
    index.shutdown()
    index.server_close()
    shutil.rmtree(python.parents[1])
    assert uv.prepare("lock.txt", lock) == (python, lock, False)
    assert told() == words
    assert not any("pip" in command and sys.executable in command for command in uv.commands)


def test_uv_shows_why_a_hash_does_not_fit(uv: Place, tmp_path: Path) -> None:
    digest = make_wheel(uv.source, "small", "x = 1")
    lock = f"--no-index\n--find-links .\nsmall==1.0 --hash=sha256:{'0' * 64}\n"
    with pytest.raises(NotMade, match="the packages of the lock cannot be installed: exit code 1"):
        uv.prepare("lock.txt", lock)
    log = "".join(uv.log)
    assert "Hash mismatch" in log
    assert digest in log
    assert "0" * 64 in log
    assert [path.name for path in uv.root.iterdir() if path.is_dir()] == ["cache"]


def test_uv_makes_a_lock_with_hashes_and_reads_its_own(
    uv: Place, index: ThreadingHTTPServer, tmp_path: Path
) -> None:
    digest = publish(tmp_path, "small", "x = 1")
    address = f"http://127.0.0.1:{index.server_port}/simple/"
    (uv.source / "requirements.txt").write_text(f"--index-url {address}\nsmall\n")
    lock = _lock_of(Needed(requirements=uv.source / "requirements.txt"), Path(sys.executable), uv.root, uv.run)
    assert f"small==1.0 \\\n    --hash=sha256:{digest}" in lock
    assert lock.startswith(f"--index-url {address}\n")
    project = '[project]\nname = "own"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["small"]\n'
    (uv.source / "pyproject.toml").write_text(
        f'{project}[[tool.uv.index]]\nurl = "{address}"\ndefault = true\n'
    )
    subprocess.run(
        ["uv", "lock", "-q"],
        cwd=uv.source,
        check=True,
        env={**os.environ, "UV_PYTHON": sys.executable},
    )
    python, lock, _ = uv.prepare("uv.lock", (uv.source / "uv.lock").read_text())
    assert f"--hash=sha256:{digest}" in lock
    subprocess.run([python, "-c", "import small"], check=True)


# --- with pip ----------------------------------------------------------------------------------------


def test_it_is_made_once_from_a_lock_and_our_client_never_hides_a_package_of_it(
    place: Place, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    # The lock names a package that our client brings too: the lock's wins.
    digest = make_wheel(wheels, "urllib3", "origin = 'lock'")
    options = f"--no-index\n--find-links {wheels}\n"
    text = f"{options}urllib3==1.0 --hash=sha256:{digest}\n"
    # A folder that was not completed is made again.
    left = place.root / key_of(text, platform.python_version()) / "left"
    left.mkdir(parents=True)
    python, lock, reused = place.prepare("lock.txt", text)
    assert not left.exists()
    assert (reused, lock.count("urllib3==1.0")) == (False, 1), "".join(place.log)
    told = subprocess.run(
        [python, "-c", "import urllib3, modelyard, msgspec; print(urllib3.origin, modelyard.__version__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert told.stdout.split()[0] == "lock"
    count = len(place.commands)
    again, _, reused = place.prepare("lock.txt", f"# again\n{text}")
    assert (again, reused, len(place.commands)) == (python, True, count)
    assert any("--require-hashes" in command for command in place.commands)
    # It is forgotten when no build has begun with it for a month and another one is made.
    complete = python.parents[1] / ".complete"
    _forget_old(place.root)
    assert complete.exists()
    os.utime(complete, (1, 1))
    _forget_old(place.root)
    assert not complete.parent.exists()


def test_requirements_become_a_lock_with_hashes(place: Place, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    digest = make_wheel(wheels, "small", "x = 1")
    path = place.source / "requirements.txt"
    path.write_text(f"--no-index\n--find-links {wheels}\nsmall\n")
    lock = _lock_of(Needed(requirements=path), Path(sys.executable), place.root, place.run)
    assert lock == f"--no-index\n--find-links {wheels}\nsmall==1.0 --hash=sha256:{digest}\n"
    path.write_text("small\n--no-index\n")
    with pytest.raises(NotMade, match=r"requirements\.txt cannot be resolved: exit code 1"):
        _lock_of(Needed(requirements=path), Path(sys.executable), place.root, place.run)
    assert "No matching distribution found for small" in "".join(place.log)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("lock.txt", "numpy==2.0\n", "has no hashes for numpy==2.0, so it is not a lock"),
        ("uv.lock", "version = 1\n", "read by uv, which is not installed"),
    ],
)
def test_locks_that_cannot_be_used_say_what_to_do(place: Place, name: str, text: str, words: str) -> None:
    with pytest.raises(NotMade, match=words):
        place.prepare(name, text)


def test_a_project_that_is_not_toml(place: Place) -> None:
    with pytest.raises(NotMade, match="not valid TOML"):
        place.prepare("pyproject.toml", "[project", "requirements")


def test_a_file_that_the_source_lacks(place: Place) -> None:
    with pytest.raises(NotMade, match=r"the source has no file uv\.lock"):
        prepare(Needed(lock=place.source / "uv.lock"), place.root, place.run, place.log.append, lambda: False)
