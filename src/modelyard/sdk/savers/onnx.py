"""ONNX models as the protobuf they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid, NoSaver
from modelyard.domain.formats import BytesSource, read_facts
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

FILE = "model.onnx"


class OnnxSaver:
    name = "onnx"
    priority = 50

    def claims(self, obj: object) -> bool:
        return "onnx.ModelProto" in class_names(obj)

    def save(self, obj: Any, folder: Path, *, example: Any = None) -> SavedModel:
        what = f"the ONNX model {obj.graph.name!r}"
        try:
            data = obj.SerializeToString()
        except ValueError as error:
            advice = "Write it with onnx.save_model(…, save_as_external_data=True) and push the folder"
            raise NoSaver(what=what, reason="it has more than 2 GB", fix=advice) from error
        facts = read_facts(FILE, BytesSource(data))
        if _needs_other_files(data, obj):
            advice = "Load it with its external data (onnx.load), or push its folder"
            raise NoSaver(what=what, reason="some weights are in other files", fix=advice)
        (folder / FILE).write_bytes(data)
        return SavedModel(
            framework="onnx",
            class_path=class_path_of(obj),
            files=(FILE,),
            versions=versions_of("onnx"),
            # The graph contains the signature; the example is used only if it does not.
            signature=facts.signature if facts and facts.signature else infer_signature(example),
        )

    def load(self, folder: Path, spec: LoaderSpec, *, trust: Trust, options: Mapping[str, Any]) -> Any:
        """Load the ModelProto; with as_session=True, an onnxruntime session on the CPU."""
        (as_session,) = take_options(options, "as_session")
        path = spec.only_file(folder, ".onnx")
        data = path.read_bytes()
        onnx = require("onnx", "this model")
        try:
            model = onnx.load_model_from_string(data)
        except ValueError as error:
            raise Invalid(reason=f"{path.name} is not an ONNX model: {error}") from error
        if _needs_other_files(data, model):
            raise Invalid(reason=f"{path.name} refers to other files")
        if as_session:
            runtime = require("onnxruntime", "a session")
            return runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
        return model


def _needs_other_files(data: bytes, model: Any) -> bool:
    """Return whether a weight, at any depth of subgraphs, keeps its bytes in another file."""
    if b"location" not in data:
        return False
    helper = require("onnx.external_data_helper", "this model")
    return any(helper.uses_external_data(tensor) for tensor in helper._get_all_tensors(model))
