"""What a worker needs before it starts: whole files, and an environment that has what was recorded."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.digest import Digest
from modelyard.domain.manifest import File, Manifest
from modelyard.scorer import preparing
from modelyard.scorer.launch import working_bwrap
from modelyard.scorer.preparing import CannotPrepare, Files, bring, is_own, make_home
from modelyard.sdk.environment import environment_facts, installed_packages
from modelyard.sdk.environments import Environment, Needed
from modelyard.wire.scorer import Wanted, WantedRevision

LOADER = {
    "format_version": 1,
    "saver": "scikit-learn",
    "framework": "scikit-learn",
    "class": "sklearn.X",
    "versions": {"scikit-learn": "1.9.0", "numpy": "2.0.0"},
    "files": ["modelyard.json"],
    "signature": None,
    "extra": {},
}
TABLE = {"inputs": [{"name": "age", "dtype": "float64", "shape": [None]}]}
FACTS = {
    "python": "3.11.2",
    "packages": {"scikit-learn": "1.9.0", "numpy": "2.1.0", "scipy": "1.17.0", "pandas": "3.1.0"},
}


@pytest.fixture
def facts() -> dict[str, Any]:
    return environment_facts()


def test_the_own_environment_is_the_recorded_one_file_by_file(facts: dict[str, Any]) -> None:
    assert is_own(facts)
    packages, origins = facts["packages"], facts["origins"]
    assert is_own({**facts, "packages": {**packages, "modelyard": "9"}}), "ours comes by path"
    changed = (
        {"python": "3.11.0"},
        {"packages": {**packages, "numpy": "1"}},
        {"packages": {**packages, "more": "1"}},
    )
    other = {**origins, "numpy": {"record": "sha256:00"}}
    for change in (*changed, {"origins": other}, {"packages": {}}):
        assert not is_own({**facts, **change})


class Place:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = folder / "place"
        (self.place / "model").mkdir(parents=True)
        (self.place / "model" / "modelyard.json").write_text(json.dumps(LOADER))
        (self.place / "manifest.json").write_text("{}")
        self.asked: list[tuple[Needed, str, str]] = []
        monkeypatch.setattr(preparing, "prepare", self.prepare)
        monkeypatch.setattr(preparing, "_python", lambda recorded: recorded)

    def prepare(self, needed: Needed, *_: Any) -> Environment:
        texts = [
            path.read_text() if path else ""
            for path in (needed.lock or needed.requirements, needed.constraints)
        ]
        self.asked.append((needed, texts[0], texts[1]))
        return Environment(Path("/made/bin/python"), "a==1 --hash=sha256:aa\n", "key")

    def home(self, bwrap: str | None = "/usr/bin/bwrap", **record: Any) -> preparing.Home:
        files = Files(self.place, record)
        return make_home(files, self.place.parent / "cache", lambda _: None, lambda: False, bwrap=bwrap)


def test_what_loading_needs_is_made_in_the_recorded_versions_and_kept_as_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    assert place.home(environment=FACTS).key == "key"
    needed, requirements, constraints = place.asked[0]
    assert needed.python == "3.11.2"
    assert requirements == "numpy==2.1.0\nscikit-learn==1.9.0\n"
    assert constraints == "scipy==1.17.0\npandas==3.1.0\n"
    # The next start needs no index.
    place.home(environment=FACTS)
    needed, lock, _ = place.asked[1]
    assert (needed.requirements, lock) == (None, "a==1 --hash=sha256:aa\n")


def test_a_model_with_columns_gets_pandas_as_it_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    place.home(environment=FACTS, signature=TABLE)
    assert "pandas==3.1.0\n" in place.asked[0][1]


def test_what_no_machine_can_have_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, monkeypatch)
    with pytest.raises(CannotPrepare, match="numpy was installed from a folder"):
        place.home(environment={**FACTS, "origins": {"numpy": {"editable": True}}})
    with pytest.raises(CannotPrepare, match=r"made with Python 3\.9\.1"):
        place.home(environment={**FACTS, "python": "3.9.1"})
    (place.place / "model" / "modelyard.json").unlink()
    with pytest.raises(CannotPrepare, match=r"it has no modelyard\.json"):
        place.home(environment=FACTS)


def test_packages_of_others_are_not_run_where_nothing_keeps_them_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    with pytest.raises(CannotPrepare, match="nothing keeps them apart from this machine"):
        place.home(bwrap=None, environment=FACTS)
    assert place.asked == []
    packages, origins = installed_packages()
    own = {"python": ".".join(map(str, sys.version_info[:3])), "packages": packages, "origins": origins}
    assert place.home(bwrap=None, environment=own).key is None


def test_an_installer_sees_neither_data_nor_homes(tmp_path: Path) -> None:
    """What a package runs while it is installed, as a program in its place."""
    bwrap = working_bwrap()
    if bwrap is None:
        pytest.skip("bubblewrap does not work here")
    secret, needed = tmp_path / "data" / "key", tmp_path / "needed"
    secret.parent.mkdir()
    secret.write_text("secret")
    needed.mkdir()
    (needed / "requirements.txt").write_text("x")
    environments = tmp_path / "cache" / "environments"
    environments.mkdir(parents=True)
    program = (
        "import os, pathlib, sys\n"
        "pathlib.Path(sys.argv[1], 'made').write_text(pathlib.Path('requirements.txt').read_text())\n"
        "sys.exit(10 + os.path.exists(sys.argv[2]) + 2 * os.access('requirements.txt', os.W_OK)"
        " + 4 * os.path.exists(os.path.expanduser('~/.ssh')))"
    )
    runner = preparing._Runner(environments, lambda _: None, bwrap)
    ended = runner.run([sys.executable, "-c", program, str(environments), str(secret)], needed)
    assert ended.exit_code == 10, ended.reason
    assert (environments / "made").read_text() == "x"
    # Without it, the same program sees the file: the test can fail.
    ended = preparing._Runner(environments, lambda _: None, None).run(
        [sys.executable, "-c", program, str(environments), str(secret)], needed
    )
    assert ended.exit_code & 1


def test_stored_files_are_hashed_at_each_start(tmp_path: Path) -> None:
    file = File("model.bin", Digest.of(b"weights"), 7)
    manifest = Manifest.of([file])
    told = WantedRevision(number=1, reference="fraud/scorer:1", digest=str(manifest.digest))
    wanted = Wanted(
        generation=1, deployment="fraud/cards", registry=None, cache=str(tmp_path), revisions=[told]
    )

    def stored() -> Files:
        return bring(wanted, told, "", lambda _: None)

    with pytest.raises(CannotPrepare, match="not stored here"):
        stored()
    (folder,) = [path for path in (tmp_path / "versions").iterdir() if path.suffix == ".lock"]
    place = folder.with_suffix("")
    (place / "model").mkdir(parents=True)
    (place / "model" / "model.bin").write_bytes(b"weights")
    (place / "manifest.json").write_bytes(manifest.canonical_bytes)
    (place / "record.json").write_text("{}")
    assert stored().record == {}
    (place / "model" / "more.py").write_text("x")
    with pytest.raises(CannotPrepare, match=r"more\.py"):
        stored()
    (place / "model" / "more.py").unlink()
    (place / "model" / "model.bin").write_bytes(b"Weights")
    with pytest.raises(CannotPrepare, match=r"the stored file model\.bin of fraud/scorer:1 is damaged"):
        stored()
    (place / "model" / "model.bin").unlink()
    (place / "model" / "model.bin").symlink_to("/etc/hostname")
    with pytest.raises(CannotPrepare, match="is damaged"):
        stored()
    (place / "manifest.json").write_bytes(manifest.canonical_bytes + b" ")
    with pytest.raises(CannotPrepare, match="manifest of fraud/scorer:1 is damaged"):
        stored()
