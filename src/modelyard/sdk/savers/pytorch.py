"""PyTorch modules and state dicts as safetensors. The weights are saved, the module's code is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid, NoSaver
from modelyard.sdk.savers.base import (
    LoaderSpec,
    SavedModel,
    Trust,
    class_names,
    class_path_of,
    require,
    take_options,
    versions_of,
)
from modelyard.sdk.savers.signature import infer_signature
from modelyard.sdk.saying import say_once

FILE = "model.safetensors"
_MAX_NOTE = 20_000
_LAYOUT = "modelyard.layout"


class PytorchSaver:
    name = "pytorch"
    priority = 40

    def claims(self, obj: object) -> bool:
        return "torch.Module" in class_names(obj) or _is_state_dict(obj)

    def save(self, obj: Any, folder: Path, *, example: Any = None) -> SavedModel:
        what = f"the module {class_path_of(obj)}"
        torch = require("torch", what)
        is_module = "torch.Module" in class_names(obj)
        state = obj.state_dict() if is_module else obj
        others = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
        if others:
            reason = f"its state holds values that are not tensors ({', '.join(others[:5])})"
            raise NoSaver(what=what, reason=reason, fix="Save the tensors, and the rest as separate files")
        write_state(state, folder / FILE, what)
        note = str(obj)[:_MAX_NOTE] if is_module else None
        if is_module:
            say_once(f"{what}: only its weights are kept, not its code; load it with my.load(…, into=Module())")
        return SavedModel(
            framework="pytorch",
            class_path=class_path_of(obj),
            files=(FILE,),
            versions=versions_of("torch", "safetensors"),
            signature=infer_signature(example),
            extra={"architecture": note} if is_module else {},
        )

    def load(self, folder: Path, spec: LoaderSpec, *, trust: Trust, options: Mapping[str, Any]) -> Any:
        """Load the state dict on the CPU; with into=module, fill that module with it."""
        (into,) = take_options(options, "into")
        path = spec.only_file(folder, ".safetensors")
        state = read_state(path)
        if into is None:
            if spec.extra.get("architecture"):
                say_once(
                    f"{spec.class_path}: only the weights of a PyTorch module are kept, so this is a state dict; "
                    "fill a module of the same class with my.load(…, into=Module())"
                )
            return state
        if "torch.Module" not in class_names(into):
            raise Invalid(reason=f"into is a {type(into).__name__}, not a torch.nn.Module")
        try:
            into.load_state_dict(state)
        except RuntimeError as error:
            raise Invalid(reason=f"the weights do not fit the given module: {error}") from error
        return into


def write_state(state: Mapping[str, Any], path: Path, what: str) -> None:
    """Write tensors by name, with their order and their sharing. Raises NoSaver."""
    torch, safetensors = require("torch", what), require("safetensors.torch", what)
    tensors, aliases = _without_sharing(torch, state)
    # The layout goes into the header of the weights, because large models have many long names.
    layout = json.dumps({"order": list(state), "aliases": aliases})
    try:
        safetensors.save_file(tensors, path, {"format": "pt", _LAYOUT: layout})
    except (ValueError, KeyError, RuntimeError) as error:
        raise NoSaver(what=what, reason=f"safetensors cannot write it ({error})") from error


def read_state(path: Path) -> dict[str, Any]:
    """Read what `write_state` wrote, on the CPU. Raises Invalid."""
    require("torch", "this model")
    return _read_state(require("safetensors", "this model"), path)


def _is_state_dict(obj: object) -> bool:
    return (
        isinstance(obj, dict)
        and bool(obj)
        and all(isinstance(k, str) and "torch.Tensor" in class_names(v) for k, v in obj.items())
    )


def _without_sharing(torch: Any, state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (tensors that share no memory, name → the name of the same tensor).

    Tied weights are one tensor under two names: written once and tied again by loading. Views of one storage are
    written as separate copies.
    """
    kept: dict[str, Any] = {}
    aliases: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    storages: set[int] = set()
    for name, tensor in state.items():
        plain = tensor.detach()
        if plain.layout is not torch.strided or plain.is_quantized:
            raise NoSaver(what=f"the tensor {name}", reason="it is sparse or quantised")
        identity = (plain.data_ptr(), tuple(plain.shape), plain.stride(), plain.dtype, plain.device)
        if plain.numel() and identity in seen:
            aliases[name] = seen[identity]
            continue
        seen[identity] = name
        storage = plain.untyped_storage().data_ptr()
        copy = plain.cpu().contiguous()
        kept[name] = copy.clone() if storage in storages else copy
        storages.add(storage)
    return kept, aliases


def _read_state(safetensors: Any, path: Path) -> dict[str, Any]:
    """Return tensors in the order in which they were saved."""
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as opened:
            layout = json.loads((opened.metadata() or {}).get(_LAYOUT, "{}"))
            found = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    except (safetensors.SafetensorError, ValueError) as error:
        raise Invalid(reason=f"{path.name} is not a valid safetensors file: {error}") from error
    aliases, order = (
        (layout.get("aliases", {}), layout.get("order", [])) if isinstance(layout, dict) else ({}, [])
    )
    if not isinstance(aliases, dict) or not isinstance(order, list):
        raise Invalid(reason=f"{path.name} has a layout that is not valid")
    for alias, original in aliases.items():
        if original not in found or alias in found:
            raise Invalid(reason=f"{path.name} ties {alias!r} to a missing tensor")
    found.update({alias: found[original] for alias, original in aliases.items()})
    position = {name: index for index, name in enumerate(order) if isinstance(name, str)}
    return dict(sorted(found.items(), key=lambda item: position.get(item[0], len(position))))
