"""Read modelyard.json, which one of the client's savers wrote next to the model it saved."""

from __future__ import annotations

from modelyard.domain.formats.facts import Draft
from modelyard.domain.formats.ranged import MIB, OverBudget, Source, load_json, read_exactly

MAX_LOADER_BYTES = 4 * MIB


def read(source: Source, draft: Draft) -> None:
    draft.format = "modelyard-loader"
    if source.size_bytes > MAX_LOADER_BYTES:
        raise OverBudget(f"a loader file of {source.size_bytes} bytes is not read")
    spec = load_json(read_exactly(source, 0, source.size_bytes), "modelyard.json")
    if not isinstance(spec, dict) or "saver" not in spec:
        draft.not_this_format = True
        return
    for key, name in (("framework", "framework"), ("class", "architecture")):
        if isinstance(spec.get(key), str):
            setattr(draft, name, spec[key].rpartition(".")[2] if name == "architecture" else spec[key])
    for key in ("saver", "class", "versions"):
        if isinstance(spec.get(key), (str, dict)):
            draft.details[key] = spec[key]
    signature = spec.get("signature")
    if isinstance(signature, dict) and all(
        isinstance(signature.get(k, []), list) for k in ("inputs", "outputs")
    ):
        draft.signature = signature
