"""Savers: a live model object to files in its framework's own safest format, and back.

`save_model(object, folder)` asks each saver whether it claims the object; the first one writes the
files, and `modelyard.json` next to them says how they are loaded. `load_model(folder)` reads that file
and hands over to the saver it names. Nothing here imports a framework before an object or a folder of
that framework is at hand. Further savers come by the entry point group `modelyard.savers`
(docs/how-to/add-a-saver.md). Why no pickle: decision record 0005.
"""

from modelyard.sdk.savers.base import LOADER_FILE, LoaderSpec, SavedModel, Saver
from modelyard.sdk.savers.discovery import all_savers, find_loader, find_saver
from modelyard.sdk.savers.folder import load_model, save_model
from modelyard.sdk.savers.signature import infer_signature

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
