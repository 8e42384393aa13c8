"""Build a CycloneDX document from the facts of a version. Pure.

Source: CycloneDX 1.6 JSON schema; the tests run the official strict validator on it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from modelyard.domain.digest import Digest
from modelyard.domain.errors import InvalidDigest
from modelyard.domain.formats.licence import SPDX_IDS
from modelyard.domain.manifest import File
from modelyard.domain.record import parse_metrics

SPEC_VERSION = "1.6"
MEDIA_TYPE = "application/vnd.cyclonedx+json; version=1.6"
VERIFIED, DECLARED = "verified", "declared"
_NAMESPACE = uuid.UUID("6f0d4c56-0b0f-5f3f-9d7f-6b1f8a3a3f64")
_MOST = 5000
_SECTIONS = {
    "purpose": "useCases",
    "intended use": "useCases",
    "limitations": "technicalLimitations",
}


class Material(msgspec.Struct, frozen=True):
    """The input of a bill. sections: the card's, heading → text. scan: the verdict with the namespace's trust."""

    model: str
    version: int
    digest: Digest
    record_digest: Digest
    registered_by: str
    registered_at: str
    made_at: str
    release: str
    facts: Mapping[str, Any]
    said: Mapping[str, Any]
    files: Sequence[File]
    scan: str
    description: str = ""
    task: str | None = None
    sections: Mapping[str, str] = msgspec.field(default_factory=dict)
    known_data: frozenset[str] = frozenset()
    """Digests of datasets whose profile the registry holds."""

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.version}"


def build_bom(material: Material) -> dict[str, Any]:
    """Build the bill. The same version has the same serial number; its lines change only with its scan and its card."""
    own = f"model:{material.digest}"
    files = [_file(file) for file in material.files[:_MOST]]
    packages = _packages(material.facts.get("environment") or {})
    data = _data(material)
    parents = _parents(material.facts)
    parts = [*files, *packages, *data, *parents]
    serial = uuid.uuid5(_NAMESPACE, f"{material.reference} {material.digest} {material.record_digest}")
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": material.made_at,
            "tools": {
                "components": [{"type": "application", "name": "modelyard", "version": material.release}]
            },
            "component": _model(material, own, data),
        },
        "components": parts,
        "dependencies": [
            {"ref": own, "dependsOn": sorted({part["bom-ref"] for part in parts})},
            *({"ref": part["bom-ref"]} for part in parts),
        ],
    }


def _basis(basis: str, by: str) -> list[dict[str, str]]:
    return [{"name": "modelyard:basis", "value": basis}, {"name": "modelyard:by", "value": by}]


def _properties(values: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"name": name, "value": str(value)} for name, value in values.items() if value not in (None, "")]


def _model(material: Material, ref: str, data: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    model: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": ref,
        "name": material.model,
        "version": str(material.version),
        "hashes": [{"alg": "SHA-256", "content": material.digest.hex}],
        "modelCard": _model_card(material, data),
        "properties": [
            *_basis(VERIFIED, "hash"),
            *_properties(
                {
                    "modelyard:record": material.record_digest,
                    "modelyard:registered-by": material.registered_by,
                    "modelyard:registered-at": material.registered_at,
                    "modelyard:scan": material.scan,
                    "modelyard:scan:basis": VERIFIED if material.scan != "pending" else DECLARED,
                    "modelyard:licence:basis": DECLARED if material.said.get("licence") else None,
                    "modelyard:format": material.said.get("format"),
                    "modelyard:parameters": material.said.get("parameters"),
                }
            ),
            *_code(material.facts.get("code") or {}),
        ],
    }
    if material.description:
        model["description"] = material.description
    if licence := material.said.get("licence"):
        known = {"id": licence} if licence in SPDX_IDS else {"name": str(licence)}
        model["licenses"] = [{"license": known}]
    return model


def _code(code: Mapping[str, Any]) -> list[dict[str, str]]:
    found = _properties(
        {f"modelyard:code:{name}": code.get(name) for name in ("repository", "commit", "entry_point", "dirty")}
    )
    return [*found, *_properties({"modelyard:code:basis": DECLARED})] if found else []


def _model_card(material: Material, data: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    said, facts = material.said, material.facts
    signature: Mapping[str, Any] = facts.get("signature") or said.get("signature") or {}
    parameters: dict[str, Any] = {
        "task": material.task,
        "architectureFamily": said.get("framework"),
        "modelArchitecture": said.get("architecture"),
        "datasets": [{"ref": entry["bom-ref"]} for entry in data],
        "inputs": _formats(signature.get("inputs")),
        "outputs": _formats(signature.get("outputs")),
    }
    card: dict[str, Any] = {
        "modelParameters": {k: v for k, v in parameters.items() if v},
        "properties": [
            *_properties({"modelyard:metrics:basis": DECLARED, "modelyard:parameters:basis": DECLARED}),
            *_properties({f"modelyard:param:{name}": value for name, value in _params(facts)}),
        ],
    }
    metrics = [
        {
            "type": m.name,
            "value": repr(m.value),
            **({"slice": " ".join(x for x in (m.split, m.dataset) if x)} if m.split or m.dataset else {}),
        }
        for m in parse_metrics(facts.get("metrics") or [])[:_MOST]
    ]
    if metrics:
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    if considerations := _considerations(material.sections):
        card["considerations"] = considerations
    return card


def _params(facts: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return list((facts.get("params") or {}).items())[:_MOST]


def _formats(entries: Any) -> list[dict[str, str]]:
    """Return a line such as `amount: float64 [null]` for each input or output."""
    return [
        {"format": f"{entry.get('name', '')}: {entry.get('dtype', '')} {entry.get('shape', '')}".strip()}
        for entry in (entries or [])[:_MOST]
        if isinstance(entry, Mapping)
    ]


def _considerations(sections: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for heading, text in sections.items():
        for wanted, field_name in _SECTIONS.items():
            if heading.startswith(wanted) and text:
                found.setdefault(field_name, []).append(text)
        if heading.startswith("ethic") and text:
            found.setdefault("ethicalConsiderations", []).append({"name": text})
    return found


def _file(file: File) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": f"file:{file.path}",
        "name": file.path,
        "mime-type": file.media_type,
        "hashes": [{"alg": "SHA-256", "content": file.digest.hex}],
        "properties": [*_basis(VERIFIED, "hash"), *_properties({"modelyard:size-bytes": file.size_bytes})],
    }


def _packages(environment: Mapping[str, Any]) -> list[dict[str, Any]]:
    packages, origins = environment.get("packages"), environment.get("origins") or {}
    if not isinstance(packages, Mapping) or not isinstance(origins, Mapping):
        return []
    found = []
    for name, version in list(packages.items())[:_MOST]:
        purl = f"pkg:pypi/{quote(str(name), safe='')}@{quote(str(version), safe='')}"
        origin = origins.get(name)
        origin = origin if isinstance(origin, Mapping) else {}
        proof = next((origin[key] for key in ("digest", "record", "commit") if origin.get(key)), None)
        found.append(
            {
                "type": "library",
                "bom-ref": purl,
                "name": str(name),
                "version": str(version),
                "purl": purl,
                "properties": [
                    *_basis(DECLARED, "lock"),
                    *_properties({"modelyard:installed": proof, "modelyard:from": origin.get("url")}),
                ],
            }
        )
    return found


def _data(material: Material) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate((material.facts.get("data") or [])[:_MOST]):
        name = str(entry.get("name") or f"data {index + 1}")
        digest = _sha256(entry.get("digest"))
        ref = f"data:{name}@{entry.get('digest') or index}"
        found[ref] = {
            "type": "data",
            "bom-ref": ref,
            "name": name,
            **({"hashes": [{"alg": "SHA-256", "content": digest.hex}]} if digest else {}),
            "data": [{"type": "dataset", "name": name}],
            "properties": [
                # No row ever reaches the registry, so it cannot have checked the digest.
                *_basis(DECLARED, "dataset digest" if digest else "name"),
                *_properties(
                    {
                        f"modelyard:{key}": entry.get(key)
                        for key in ("source", "filter", "window", "split", "rows", "profile")
                    }
                ),
                *_properties(
                    {"modelyard:profile-held": "true" if str(digest) in material.known_data else None}
                ),
            ],
        }
    return [*found.values()]


def _parents(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for parent in (facts.get("parents") or [])[:_MOST]:
        name = str(parent.get("ref") or parent.get("digest") or "")
        digest = _sha256(parent.get("digest"))
        if name:
            found[f"parent:{name}"] = {
                "type": "machine-learning-model",
                "bom-ref": f"parent:{name}",
                "name": name,
                **({"hashes": [{"alg": "SHA-256", "content": digest.hex}]} if digest else {}),
                "properties": [
                    *_basis(DECLARED, "digest" if digest else "name"),
                    *_properties({"modelyard:relation": parent.get("relation")}),
                ],
            }
    return [*found.values()]


def _sha256(text: Any) -> Digest | None:
    try:
        return Digest.parse(str(text)) if text else None
    except InvalidDigest:
        return None
