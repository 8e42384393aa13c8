"""A small training run: writes ./model and ./metrics.env. Needs the standard library alone."""

import json
import random
from pathlib import Path

random.seed(7)
points = [(x := random.uniform(-1, 1), int(x + random.gauss(0, 0.2) > 0)) for _ in range(500)]
train, test = points[:400], points[400:]
threshold = min((sum((x > t) != y for x, y in train), t) for t in [i / 50 for i in range(-50, 51)])[1]
right = sum((x > threshold) == bool(y) for x, y in test)
true_positive = sum(x > threshold and y for x, y in test)
f1 = 2 * true_positive / (sum(x > threshold for x, _ in test) + sum(y for _, y in test))

folder = Path("model")
folder.mkdir(exist_ok=True)
(folder / "model.json").write_text(json.dumps({"threshold": threshold}))
(folder / "README.md").write_text(
    "# Purpose\nShows how a pipeline pushes, reports and promotes.\n\n"
    "# Limitations\nIt knows a single number, so do not use it.\n"
)
Path("metrics.env").write_text(f"F1={f1:.4f}\nACCURACY={right / len(test):.4f}\n")
