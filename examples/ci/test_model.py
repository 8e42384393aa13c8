"""What a team checks of a trained model before it may serve."""

import json
from pathlib import Path


def test_the_threshold_is_sane() -> None:
    assert abs(json.loads(Path("model/model.json").read_text())["threshold"]) < 0.5
