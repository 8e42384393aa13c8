"""Savers convert a live model object to files in its framework's safest format, and back.

`save_model(object, folder)` asks each saver whether it claims the object; the first one writes the
files, and `modelyard.json` next to them describes how to load them. `load_model(folder)` reads that file
and calls the saver in it. Nothing here imports a framework until there is an object or a folder of
that framework. Plug-ins add savers through the entry point group `modelyard.savers`
(docs/how-to/add-a-saver.md). Why no pickle: decision record 0005.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelyard.sdk.savers.base import LOADER_FILE, LoaderSpec, SavedModel, Saver
    from modelyard.sdk.savers.discovery import all_savers, find_loader, find_saver
    from modelyard.sdk.savers.folder import load_model, save_model
    from modelyard.sdk.savers.signature import infer_signature

_FROM = {
    "all_savers": "discovery",
    "find_loader": "discovery",
    "find_saver": "discovery",
    "infer_signature": "signature",
    "load_model": "folder",
    "save_model": "folder",
}
"""Name → its module; `base` has the others. Commands that load no model do not wait for the savers."""

__all__ = [
    "LOADER_FILE",
    "LoaderSpec",
    "SavedModel",
    "Saver",
    "all_savers",
    "find_loader",
    "find_saver",
    "infer_signature",
    "load_model",
    "save_model",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FROM.get(name, 'base')}"), name)
