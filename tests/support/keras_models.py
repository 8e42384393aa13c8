"""The program that makes two Keras files with a Lambda layer; it prints them as JSON, in hexadecimal digits."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import keras


def main() -> None:
    runs = keras.layers.Lambda(lambda x: [__import__("os").system("touch RAN"), x][1], output_shape=(2,))
    model = keras.Sequential([keras.Input((2,)), runs, keras.layers.Dense(2)])
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("keras", "h5"):
            path = Path(folder) / f"m.{suffix}"
            model.save(path)
            found[suffix] = path.read_bytes().hex()
        (Path(folder) / "RAN").unlink(missing_ok=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
