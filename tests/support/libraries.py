"""Machine-learning libraries that only some tests need."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest


def library(name: str) -> Any:
    """The module; without it the test is skipped on a laptop and fails in CI (environment CI=true)."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        reason = f"needs {name}, which is in the dependency group 'test': {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
