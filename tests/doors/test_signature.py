"""A signature from the example to the refused prediction, by the client and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelyard.domain.errors import SignatureMismatch
from tests.support.libraries import library
from tests.support.registry import unique
from tests.support.server import RunningServer


def test_from_the_example_to_the_refused_prediction(server: RunningServer, tmp_path: Path) -> None:
    frame = library("pandas").DataFrame({"amount": [1.0, 2.0, 3.0, 4.0], "count": [1, 2, 3, 4]})
    model = library("sklearn.linear_model").LogisticRegression().fit(frame, [0, 1, 0, 1])
    with server.client() as client:
        made = client.push(model, f"{unique('sig')}/scorer", example=frame, capture=False)
        assert client.check_signature(made.reference, frame) == []
        (problem,) = client.check_signature(made.reference, frame[["amount"]])
        assert problem.column == "count"
        loaded = client.load(made.reference)
        assert len(loaded.predict(frame)) == 4
        with pytest.raises(SignatureMismatch, match="count: expected int64, found no such column"):
            loaded.predict(frame[["amount"]])
    table = tmp_path / "rows.csv"
    table.write_text("amount,count\n1.5,x\n")
    wrong = server.run("signature", "check", made.reference, str(table))
    assert (wrong.returncode, wrong.stdout) == (1, "count\tint64\tstring\n")
    table.write_text("amount,count\n1.5,2\n")
    assert server.run("signature", "check", made.reference, str(table)).returncode == 0
    assert "input\tamount\tfloat64\tany" in server.run("signature", "show", made.reference).stdout
