"""pickle, for callers who ask for it explicitly. Loading a pickle runs any code that its author put into it.

So pickles are judged by the rules of the registry's scan: their names, and what they do with them.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

from modelyard.domain.errors import NoSaver, UntrustedModel
from modelyard.domain.formats.ranged import Budget, BytesSource, Cursor, Malformed
from modelyard.domain.scanning.globals import judge_global
from modelyard.domain.scanning.pickles import Inspector
from modelyard.domain.scanning.verdicts import FileScan, Verdict
from modelyard.sdk.savers.base import (
    UNSAFE,
    LoaderSpec,
    SavedModel,
    Trust,
    class_path_of,
    require_weights_only,
    take_options,
    trusted_names,
    versions_of,
)
from modelyard.sdk.savers.own_code import bring
from modelyard.sdk.savers.signature import infer_signature

FILE = "model.pkl"
_PACKAGES = {"sklearn": "scikit-learn"}
_MAX_STEPS = 2_000_000_000
_MAX_BYTES = 1 << 50


class PickleSaver:
    name = "pickle"
    priority = 10

    def claims(self, obj: object) -> bool:
        """Return False: pickle is used only if the caller passes allow_pickle=True."""
        return False

    def save(self, obj: Any, folder: Path, *, example: Any = None) -> SavedModel:
        written = io.BytesIO()
        noting = _NotingPickler(written, protocol=5)
        try:
            noting.dump(obj)
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
            raise NoSaver(what=f"an object of type {class_path_of(obj)}", reason=str(error)) from error
        (folder / FILE).write_bytes(written.getbuffer())
        package = type(obj).__module__.partition(".")[0]
        return SavedModel(
            framework=_PACKAGES.get(package, package),
            class_path=class_path_of(obj),
            files=(FILE,),
            versions=versions_of(_PACKAGES.get(package, package)),
            signature=infer_signature(example),
            uses=tuple(sorted(noting.names)),
        )

    def load(self, folder: Path, spec: LoaderSpec, *, trust: Trust, options: Mapping[str, Any]) -> Any:
        take_options(options)
        path = spec.only_file(folder, ".pkl")
        if trust is False:
            raise UntrustedModel(
                where=path.name,
                types="a pickle, which can run code",
                fix="If you trust its maker, load it with trust=True, which allows only code that rebuilds data",
            )
        data = path.read_bytes()
        if trust == UNSAFE:
            bring(folder, spec.code, trust)
            return pickle.loads(data)  # noqa: S301 - the caller asked for it by this word
        return load_judged(data, path.name, trusted_names(trust))


class _NotingPickler(pickle.Pickler):
    """A pickler that notes the functions and classes in the pickle."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.names: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type | FunctionType):
            self.names.add(f"{obj.__module__}.{obj.__qualname__}")
        return NotImplemented


def load_judged(data: bytes, where: str, trusted: Collection[str] = ()) -> Any:
    """Load the object of a pickle that does only what the scan allows.

    trusted: unknown globals, `module.name`, that may be used too; dangerous ones cannot be trusted this way.
    Raises UntrustedModel with the globals at fault, before anything is imported.
    """
    found = FileScan()
    inspector = Inspector(Cursor(BytesSource(data), Budget(_MAX_BYTES, _MAX_STEPS)), found)
    try:
        inspector.run()
    except Malformed as error:
        raise UntrustedModel(where=where, types=str(error), fix=_fix(())) from None
    refused = [
        f
        for f in found.findings
        if not (f.verdict is Verdict.UNKNOWN and f.name is not None and f.name in trusted)
    ]
    if refused:
        named = sorted({f.name for f in refused if f.name and f.verdict is Verdict.UNKNOWN})
        only_unknown = len(named) == len(refused)
        reasons = ", ".join(sorted({f"{f.name} ({f.why})" if f.name else f.why for f in refused})[:10])
        raise UntrustedModel(where=where, types=reasons, fix=_fix(named if only_unknown else ()))
    return _JudgedUnpickler(io.BytesIO(data), trusted).load()


def _fix(unknown: Collection[str]) -> str:
    if unknown:
        names = ", ".join(repr(name) for name in unknown)
        return f"If you know that code, load it with trust=[{names}]"
    return "If you made it yourself, load it with trust='unsafe', which runs any code in it"


class _JudgedUnpickler(pickle.Unpickler):
    """The second line of defence: it finds only globals that the scan allows."""

    def __init__(self, file: io.BytesIO, trusted: Collection[str]) -> None:
        super().__init__(file)
        self._trusted = trusted

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return _load_tensor_storage
        verdict, why = judge_global(module, name)
        is_getattr = (module, name) in (("builtins", "getattr"), ("__builtin__", "getattr"))
        is_trusted = verdict is Verdict.UNKNOWN and f"{module}.{name}" in self._trusted
        if verdict is not Verdict.ALLOWLISTED and not is_trusted and not is_getattr:
            raise UntrustedModel(where="the pickle", types=f"{module}.{name} ({why})")
        return super().find_class(module, name)


def _load_tensor_storage(data: bytes) -> Any:
    """Replace torch's own function, which would load a file inside the pickle in a way that may run code."""
    torch = require_weights_only("this model")
    return torch.load(io.BytesIO(data), weights_only=True)
