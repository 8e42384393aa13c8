"""Functions and classes of the program itself travel with the model, as source that runs only with trust."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
import numpy as np
from math import sqrt as root
from pathlib import Path
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from helpers import features

FACTOR = 2.0
made = object()

def shift(x):
    return x + root(4)

def double(x):
    return np.asarray(shift(x)) * FACTOR + features.bias()

class Scaler(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return double(X)

def careless(x):
    return made and x

def model(step):
    X = np.array([[0.0], [1.0], [2.0], [3.0]])
    return make_pipeline(step, LogisticRegression()).fit(X, [0, 0, 1, 1])

from modelyard.sdk.savers import save_model
print("TRAINING")
save_model(model(FunctionTransformer(double)), Path("function"))
save_model(model(Scaler()), Path("class"))
save_model({"f": double}, Path("pickle"), allow_pickle=True)
save_model(model(FunctionTransformer(careless)), Path("careless"))
"""

LOAD = """
import json, sys
import numpy as np
from pathlib import Path
from modelyard.sdk.savers import load_model
from modelyard.domain.errors import UntrustedModel
name = sys.argv[1]
for trust in json.loads(sys.argv[2]):
    try:
        loaded = load_model(Path(name), trust=trust)
    except UntrustedModel as error:
        print("REFUSED", error)
        continue
    if name == "pickle":
        print("LOADED", float(loaded["f"](1.0)))
    else:
        print("LOADED", loaded.predict(np.array([[0.0], [3.0]])).tolist())
        from modelyard.sdk.savers import save_model
        save_model(loaded, Path(name + " again"))
"""


def python(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(code)
    return subprocess.run(
        [sys.executable, "program.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the saved models, and without the program that made them."""
    work, kept = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("kept")
    (work / "helpers").mkdir()
    (work / "helpers" / "__init__.py").write_text("")
    (work / "helpers" / "features.py").write_text(
        "from helpers import numbers\ndef bias(): return numbers.ONE\n"
    )
    (work / "helpers" / "numbers.py").write_text("ONE = 1.0\n")
    done = python(work, PROGRAM)
    assert done.returncode == 0, done.stderr
    assert "double" in done.stderr
    assert "trust='unsafe'" in done.stderr
    assert "careless uses made, a object" in done.stderr
    for name in ("function", "class", "pickle", "careless"):
        (work / name).rename(kept / name)
    return kept


@pytest.mark.parametrize(("name", "answer"), [("function", "[0, 1]"), ("class", "[0, 1]"), ("pickle", "7.0")])
def test_the_code_comes_with_the_model_and_runs_with_trust_alone(saved: Path, name: str, answer: str) -> None:
    loaded = python(saved, LOAD, name, '[false, true, "unsafe"]')
    assert loaded.returncode == 0, loaded.stderr
    words = [line.split()[0] for line in loaded.stdout.splitlines() if line.split()[0] in ("REFUSED", "LOADED")]
    assert words == ["REFUSED", "REFUSED", "LOADED"]
    assert f"LOADED {answer}" in loaded.stdout
    assert "TRAINING" not in loaded.stdout
    if name != "pickle":
        again, first = (saved / n / "code" / "__main__.py" for n in (f"{name} again", name))
        assert set(again.read_text().splitlines()) == set(first.read_text().splitlines())


def test_a_refusal_says_which_code_and_how_to_read_it(saved: Path) -> None:
    refused = python(saved, LOAD, "function", "[true]").stdout
    for words in ("code/__main__.py", "double", "modelyard pull", "trust='unsafe'"):
        assert words in refused


def test_only_what_is_used_is_taken(saved: Path) -> None:
    source = (saved / "function" / "code" / "__main__.py").read_text()
    for taken in (
        "import numpy as np",
        "from math import sqrt as root",
        "FACTOR = 2.0",
        "def shift",
        "def double",
    ):
        assert taken in source
    assert "Scaler" not in source
    assert "TRAINING" not in source
    named = json.loads((saved / "function" / "modelyard.json").read_text())["code"]
    assert sorted(named) == ["__main__", "helpers", "helpers.features", "helpers.numbers"]
    assert named["__main__"] == {"file": "code/__main__.py", "names": ["double"]}


def test_where_the_program_defines_it_no_code_of_the_model_runs(saved: Path) -> None:
    own = "def double(x):\n    return x\n" + LOAD
    loaded = python(saved, own + "assert double(5) == 5\n", "function", "[true]")
    # The helpers are not there, but nothing that is defined here asks for them.
    assert "REFUSED" in loaded.stdout or "LOADED" in loaded.stdout


@pytest.mark.parametrize(
    "code",
    [
        {"__main__": {"file": "../x.py", "names": ["double"]}},
        {"__main__": {"file": "code/missing.py", "names": []}},
        {"a b": {"file": "modelyard.json", "names": []}},
        {"__main__": "x"},
        [],
    ],
    ids=str,
)
def test_a_forged_place_of_code_is_refused(saved: Path, tmp_path: Path, code: object) -> None:
    from modelyard.domain.errors import Invalid
    from modelyard.sdk.savers.base import read_loader

    value = json.loads((saved / "function" / "modelyard.json").read_text()) | {"code": code}
    (tmp_path / "model.skops").write_bytes(b"x")
    (tmp_path / "modelyard.json").write_text(json.dumps(value))
    with pytest.raises(Invalid):
        read_loader(tmp_path)


def test_the_same_estimator_gives_the_same_bytes(tmp_path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
import numpy as np
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from modelyard.sdk.savers import save_model, load_model
X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
models = {
    "forest": RandomForestClassifier(3, random_state=0).fit(X, y),
    "sparse": KNeighborsClassifier().fit(sparse.csr_matrix(X), y),
    "text": make_pipeline(TfidfVectorizer(), RandomForestClassifier(3, random_state=0)).fit(["aa bb", "bb cc"] * 4, [0, 1] * 4),
}
rubbish = [object() for _ in range(int(sys.argv[1]))]
for name, model in models.items():
    save_model(model, Path(sys.argv[2]) / name)
    again = load_model(Path(sys.argv[2]) / name)
    data = ["aa", "cc"] if name == "text" else X
    assert (again.predict(data) == model.predict(data)).all()
    save_model(again, Path(sys.argv[2]) / (name + " again"))
"""
    for run in ("1", "5000"):
        done = python(tmp_path, program, run, run)
        assert done.returncode == 0, done.stderr
    for name in ("forest", "sparse", "text"):
        # Loading turns numbers of the vocabulary into others, so that the loaded one is not the same.
        saved = (name,) if name == "text" else (name, f"{name} again")
        files = [tmp_path / run / f / "model.skops" for run in ("1", "5000") for f in saved]
        assert len({file.read_bytes() for file in files}) == 1, name
