"""Write a first card: the front matter and every section, filled with the facts that the registry knows.

Comments ask for the facts that only people know. Comments do not count as words, so a section stays empty until a
person writes it, and gates see that. The front matter is that of the Hugging Face Hub.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from modelyard.domain.record import Metric, parse_metrics

_MOST_ROWS = 30
_LIBRARIES = {
    "scikit-learn": "sklearn",
    "pytorch": "pytorch",
    "transformers": "transformers",
    "keras": "keras",
    "onnx": "onnx",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
}


def write_template(
    *,
    reference: str,
    title: str,
    task: str | None,
    description: str,
    tags: Mapping[str, str],
    facts: Mapping[str, Any],
    said: Mapping[str, Any],
    missing: Sequence[str],
) -> str:
    """Write the card. facts: the version's record; said: facts read from its files; missing: unknown facts."""
    front = _front_matter(title, task, tags, facts, said)
    text = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=100) if front else ""
    parts = [f"---\n{text}---\n" if front else "", f"# {title}\n"]
    parts += [
        _section(
            "Purpose",
            description,
            "Which problem does it solve, and for whom? What goes in, and what comes out?",
        ),
        _section("Intended use", "", "Who may use it, and for what? What must it not be used for?"),
        _section("Performance", _performance(facts), "How good is it, on which data, and compared with what?"),
        _section(
            "Training data",
            _data(facts),
            "Where does the data come from? Which period and which people does it cover?",
        ),
        _section("Training", _training(facts, said), "How was it trained?"),
        _section(
            "Limitations", "", "Where does it fail? Which groups, inputs or periods was it not tested on?"
        ),
        _section("Ethics", "", "Whom could it harm, and what is being done about it?"),
    ]
    if missing:
        parts.append(f"<!-- Not known of {reference}: {', '.join(missing)}. -->\n")
    return "\n".join(part for part in parts if part)


def _section(title: str, known: str, hint: str) -> str:
    return f"## {title}\n\n<!-- {hint} -->\n" + (f"\n{known.strip()}\n" if known.strip() else "")


def _front_matter(
    title: str,
    task: str | None,
    tags: Mapping[str, str],
    facts: Mapping[str, Any],
    said: Mapping[str, Any],
) -> dict[str, Any]:
    framework = said.get("framework")
    datasets = list(dict.fromkeys(str(d["name"]) for d in facts.get("data", []) if d.get("name")))
    parents = [p for p in facts.get("parents", []) if p.get("ref") or p.get("digest")]
    front: dict[str, Any] = {
        "license": str(said["licence"]).lower() if said.get("licence") else None,
        "library_name": _LIBRARIES.get(str(framework), framework),
        "pipeline_tag": task,
        "tags": [key if not value else f"{key}:{value}" for key, value in tags.items()],
        "datasets": datasets,
        "metrics": list(dict.fromkeys(m.name for m in _metrics(facts))),
        "base_model": [str(p.get("ref") or p.get("digest")) for p in parents],
        "base_model_relation": next((str(p["relation"]) for p in parents if p.get("relation")), None),
        "model-index": _index(title, task, facts),
    }
    return {key: value for key, value in front.items() if value not in (None, [], "")}


def _metrics(facts: Mapping[str, Any]) -> list[Metric]:
    return parse_metrics(facts.get("metrics", []))[:_MOST_ROWS]


def _index(title: str, task: str | None, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return `model-index` results. They need a dataset, so metrics without one appear only in the table."""
    named = [m for m in _metrics(facts) if m.dataset and math.isfinite(m.value)]
    results = []
    for dataset, split in dict.fromkeys((m.dataset, m.split) for m in named):
        values = [m for m in named if (m.dataset, m.split) == (dataset, split)]
        results.append(
            {
                "task": {"type": task or "other"},
                "dataset": {"name": dataset, "type": dataset} | ({"split": split} if split else {}),
                "metrics": [{"type": m.name, "value": m.value} for m in values],
            }
        )
    return [{"name": title, "results": results}] if results else []


def _performance(facts: Mapping[str, Any]) -> str:
    metrics = _metrics(facts)
    if not metrics:
        return ""
    rows = [f"| {_cell(m.name)} | {m.value:.6g} | {_cell(m.split)} | {_cell(m.dataset)} |" for m in metrics]
    return "\n".join(["| metric | value | split | dataset |", "| --- | --- | --- | --- |", *rows])


def _data(facts: Mapping[str, Any]) -> str:
    lines = []
    for entry in facts.get("data", [])[:_MOST_ROWS]:
        parts = [f"`{_cell(entry.get('name', 'data'))}`"]
        parts += [
            f"{key} {_cell(entry[key])}"
            for key in ("rows", "split", "window", "filter", "source")
            if entry.get(key)
        ]
        if entry.get("digest"):
            parts.append(f"`{_cell(entry['digest'])}`")
        lines.append("- " + ", ".join(parts))
    return "\n".join(lines)


def _training(facts: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    code, environment = facts.get("code", {}), facts.get("environment", {})
    rows = [
        ("framework", said.get("framework")),
        ("architecture", said.get("architecture")),
        ("parameters", said.get("parameters")),
        ("repository", code.get("repository") or code.get("remote")),
        ("commit", code.get("commit")),
        ("entry point", code.get("entry_point")),
        ("Python", environment.get("python")),
        *[(name, value) for name, value in list(facts.get("params", {}).items())[:_MOST_ROWS]],
    ]
    known = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows if value not in (None, "", [], {})]
    return "\n".join(["| | |", "| --- | --- |", *known]) if known else ""


def _cell(value: Any) -> str:
    """Escape plain text for a table cell, so that none of it is markup."""
    text = " ".join(str(value).split())[:200]
    return "".join(f"\\{c}" if c in "|<>`*_[]\\" else c for c in text)
