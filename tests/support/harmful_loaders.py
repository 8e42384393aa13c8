"""The program that loads harmful files, each in a folder of its own, and tells which ones ran.

Run as a child process alone: `python harmful_loaders.py FOLDER`, where list.json names the files.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib
import io
import json
import lzma
import os
import pickle
import shutil
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any


def load(loader: str, path: Path) -> Any:
    word, _, more = loader.partition(" ")
    if loader == "pickle in Python":
        return pickle._Unpickler(io.BytesIO(path.read_bytes())).load()  # type: ignore[attr-defined]
    if loader == "pickle, torch of old":
        torch = importlib.import_module("torch")
        torch.storage._load_from_bytes = lambda data: torch.load(io.BytesIO(data), weights_only=False)
        return pickle.loads(path.read_bytes())
    if word == "pickle":
        with path.open("rb") as file:
            return pickle.load(file)
    if word == "joblib":
        return importlib.import_module("joblib").load(path)
    if word == "numpy":
        return importlib.import_module("numpy").load(path, allow_pickle=True)
    if word == "npz":
        opened = importlib.import_module("numpy").load(path, allow_pickle=True)
        return [opened[name] for name in opened.files]
    if word == "gzip":
        with gzip.open(path) as file:
            return pickle.load(file)
    if word == "lzma":
        with lzma.open(path) as file:
            return pickle.load(file)
    if word == "zlib":
        return pickle.loads(zlib.decompress(path.read_bytes()))
    if word == "pandas":
        named = path.with_suffix(f".{more}")
        shutil.copyfile(path, named)
        return importlib.import_module("pandas").read_pickle(named)
    if word == "torch":
        return importlib.import_module("torch").load(path, weights_only=False)
    if word == "keras":
        named = path.with_suffix(f".{more}")
        shutil.copyfile(path, named)
        model = importlib.import_module("keras").saving.load_model(named, safe_mode=False, compile=False)
        return model(importlib.import_module("numpy").zeros((1, 2)))
    raise ValueError(loader)


def main() -> None:
    folder = Path(sys.argv[1])
    with contextlib.suppress(ImportError):
        limits = importlib.import_module("resource")
        limits.setrlimit(limits.RLIMIT_DATA, (4 << 30, 4 << 30))
    warnings.simplefilter("ignore")
    found = {}
    for number, (name, loader, path) in enumerate(json.loads((folder / "list.json").read_text())):
        place = folder / f"place{number}"
        place.mkdir()
        os.chdir(place)
        answer = "did not run"
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                load(loader, Path(path))
        except ImportError as error:
            answer = "no loader" if error.name in ("keras", "pandas", "torch", "joblib") else answer
        except BaseException:  # noqa: BLE001
            pass
        found[name] = "ran" if (place / "RAN").exists() else answer
    print(json.dumps(found))


if __name__ == "__main__":
    main()
