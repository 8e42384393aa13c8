"""Read the tables in names/: names that libraries pickle, harmless standard names, and names that run their input."""

from __future__ import annotations

from pathlib import Path

TABLES = Path(__file__).parent / "names"


def read_lines(table: str) -> list[str]:
    """Return the lines of a table without its comments."""
    lines = (TABLES / f"{table}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _read_words(table: str) -> list[str]:
    return " ".join(read_lines(table)).split()


OLD_STANDARD_MODULES = frozenset({"__builtin__", "commands", "nt", "posix", "exceptions", "popen2"})

# Top-level packages on most machines where models are loaded.
COMMON = frozenset(
    "numpy scipy pandas torch joblib sklearn xgboost lightgbm catboost tensorflow keras torchvision transformers "
    "statsmodels imblearn".split()
)
RUNNERS = frozenset(_read_words("runners"))
RUNNER_MODULES = tuple(_read_words("runner_modules"))
HARMLESS_MODULES = ("nltk.stem.", "nltk.tokenize.", "nltk.probability.", "nltk.lm.")
"""Parts of the packages above whose names are only unknown, not dangerous."""

RUNNER_PARTS = frozenset(
    "externals tests testing _testing conftest f2py distutils setup _distutils expr pytables io hub dynamo _dynamo "
    "_inductor plotting callback subprocess cpp_extension".split()
)
RUNNER_WORDS = frozenset(_read_words("runner_words"))
RENAMED_MODULES = dict(line.split() for line in read_lines("renamed_modules"))
