"""Callbacks after the import of a module, so that autologging imports nothing itself."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_wanted: dict[str, list[Callable[[ModuleType], None]]] = {}
_finding = threading.local()


def when_imported(name: str, work: Callable[[ModuleType], None]) -> None:
    """Call `work` with the module: at once if it is imported already, otherwise right after its import."""
    present = sys.modules.get(name)
    if present is not None and not getattr(getattr(present, "__spec__", None), "_initializing", False):
        work(present)
        return
    _wanted.setdefault(name, []).append(work)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds nothing itself: it asks the other finders, and wraps their loader."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _wanted or getattr(_finding, "name", None) == fullname:
            return None
        _finding.name = fullname
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            _finding.name = None
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """The real loader, followed by a call."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._real.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        # The module sees its real loader, as if this one did not exist.
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        self._real.exec_module(module)
        for work in _wanted.pop(module.__name__, []):
            work(module)
