"""A notebook, run by nbclient: its training ends as a version with all six facts, like a script's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.sdk.client import Client
from tests.support.libraries import library
from tests.support.registry import unique
from tests.support.server import RunningServer


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with server.client() as opened:
        yield opened


def test_a_notebook_ends_as_a_complete_version(
    server: RunningServer, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient, nbformat, _ = library("nbclient"), library("nbformat"), library("ipykernel")
    space = unique("team")
    cells = [
        # The functions are there before autologging is asked for, as in most notebooks.
        "from sklearn.datasets import load_breast_cancer\n"
        "from sklearn.ensemble import RandomForestClassifier\n"
        "from sklearn.metrics import f1_score\n"
        "from sklearn.model_selection import train_test_split",
        "import modelyard as my\nmy.autolog()",
        "X, y = load_breast_cancer(return_X_y=True, as_frame=True)\n"
        "X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)",
        f"with my.run('notebook', experiment='{space}/trees', register='{space}/scorer') as run:\n"
        "    model = RandomForestClassifier(max_depth=4, n_estimators=10, random_state=0).fit(X_train, y_train)\n"
        "    score = f1_score(y_test, model.predict(X_test))",
        "run",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    kernel = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    kernel.execute()
    said = "".join(output.get("text", "") for output in notebook.cells[3].outputs)
    assert f"{space}/scorer:1" in said
    assert "5 of 6 facts are known" in said
    shown = notebook.cells[4].outputs[0]["data"]
    assert "<table>" in shown["text/html"]
    (listed,) = client.runs.list(experiment=f"{space}/trees")
    run = client.runs.get(listed.id)
    assert (run.name, run.status, run.versions) == ("notebook", "finished", [f"{space}/scorer:1"])
    assert sorted(run.metrics) == ["test:f1", "train:accuracy"]
    version = client.versions.get(f"{space}/scorer:1")
    assert version.missing == ["image"]
    record = client.versions.record(version.reference)
    assert record["code"]["notebook"] is True
    assert [entry["name"] for entry in record["data"]] == ["X_train"]
    assert record["params"]["max_depth"] == 4
    assert record["image"]["recipe"]["lock"].startswith("sha256:")
    # The cells that ran are kept, in their order, by the digest that the version names.
    kept = client.runs.pull(run.id, tmp_path / "pulled", ["code/notebook.py"]) / "code/notebook.py"
    assert kept.read_text().index("my.autolog()") < kept.read_text().index("with my.run(")
    digests = {artifact.path: artifact.digest for artifact in run.artifacts}
    assert record["code"]["entry_point_digest"] == digests["code/notebook.py"]
