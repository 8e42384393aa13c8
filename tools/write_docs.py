"""Writes the generated pages of the documentation, and the generated parts of others; a test keeps them up to date."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import source_map

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def settings_page() -> str:
    from modelyard.settings import Settings

    lines = [
        "# Settings",
        "",
        "Each is a flag of `modelyard serve`, an environment variable and a key in `modelyard.toml` (in the folder where",
        "the server starts, under `[server]` or at the top), in that order of precedence. This page is generated from the",
        "table in `src/modelyard/settings.py`.",
        "",
        "| flag | variable | default | unit | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for spec in fields(Settings):
        default = (
            ""
            if spec.default == ""
            else f"`{str(spec.default).lower() if spec.default in (True, False) else spec.default}`"
        )
        flag = f"`--{spec.name.replace('_', '-')}`"
        variable = f"`MODELYARD_{spec.name.upper()}`"
        lines.append(
            f"| {flag} | {variable} | {default} | {spec.metadata['unit']} | {spec.metadata['meaning']} |"
        )
    lines += [
        "",
        "The client reads `MODELYARD_URL` and `MODELYARD_TOKEN`, and `MODELYARD_HOME` for its credentials and cache.",
        "It sends a token over `http://` to its own machine only, unless `modelyard login URL --insecure` or",
        "`MODELYARD_INSECURE=1` allows more; an address without a scheme means `https://` elsewhere.",
        "",
    ]
    return "\n".join(lines)


def errors_page() -> str:
    from modelyard.domain.errors import all_errors
    from modelyard.doors.errors import PROBLEM_TYPE, STATUS, STATUS_OF_CLASS

    lines = [
        "# Errors",
        "",
        f"Over HTTP an error is RFC 9457 problem details (`{PROBLEM_TYPE}`) with a stable `code`, the values at fault in",
        "`fields` and what to do next in `fix`. The client raises the class of the same code. Generated from the error tree.",
        "",
        "| code | status | kind | says | what to do |",
        "| --- | --- | --- | --- | --- |",
    ]
    for code, cls in sorted(all_errors().items()):
        status = STATUS_OF_CLASS.get(cls, STATUS[cls.kind])
        lines.append(f"| `{code}` | {status} | {cls.kind.value} | {_cell(cls.text)} | {_cell(cls.advice)} |")
    return "\n".join([*lines, ""])


def _cell(template: str) -> str:
    """A template for a reader: {field} in angle brackets."""
    text = re.sub(r"{(\w+)(?:![a-z])?}", r"‹\1›", template)
    return text.replace("|", "\\|").replace("<", "&lt;")


def api_page() -> str:
    from modelyard import __version__
    from modelyard.api.openapi import build_openapi
    from modelyard.api.tables import TABLES

    document = build_openapi(TABLES, __version__)
    lines = [
        "# HTTP API",
        "",
        "The whole description is at `/api/v1/openapi.json` (OpenAPI 3.1) of every server; this page lists it. Send the",
        "token as `Authorization: Bearer …`. Lists take `limit` and `cursor`. Reads that say 304 below carry an ETag and",
        "answer 304 without a body when `If-None-Match` names it. `If-Match` guards a change by the revision in the ETag",
        '(`"3"` will do for `"3-1f0c9a2b77e1d4c8"`), `If-None-Match: *` a first one. A write with an `Idempotency-Key`',
        "may be sent again. `/metrics` speaks Prometheus. Errors: [errors](errors.md).",
    ]
    tags: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tags.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    for tag, found in tags.items():
        lines += [
            "",
            f"## {tag.capitalize()}",
            "",
            "| request | what it does | query | body | answer |",
            "| --- | --- | --- | --- | --- |",
        ]
        for method, path, operation in sorted(found, key=lambda row: (row[1], row[0])):
            query = ", ".join(f"`{p['name']}`" for p in operation["parameters"] if p["in"] == "query")
            body = _schema_of(operation.get("requestBody", {}).get("content", {}))
            status, answer = next((s, r) for s, r in operation["responses"].items() if s.startswith("2"))
            if "304" in operation["responses"]:
                status += ", 304"
            answered = _schema_of(answer.get("content", {}))
            lines.append(
                f"| `{method} {path}` | {operation['summary']} | {query} | {body} | {status} {answered} |".replace(
                    "  |", " |"
                )
            )
    return "\n".join([*lines, ""])


def _schema_of(content: dict[str, Any]) -> str:
    for media_type, described in content.items():
        reference = described["schema"].get("$ref")
        return f"`{reference.rpartition('/')[2].rpartition('.')[2]}`" if reference else f"`{media_type}`"
    return ""


def decisions_page() -> str:
    lines = ["# Decisions", "", "What is hard to reverse, and why it is so.", ""]
    for path in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        title = path.read_text().partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join([*lines, ""])


def policy_page() -> str:
    from modelyard.registry.promotion.gates import RULES
    from modelyard.registry.promotion.gates.freeze import Weekly, Window
    from modelyard.registry.promotion.policy import GateEntry, PolicyFile, StageEntry, Who
    from modelyard.registry.promotion.schema import example_policy, policy_schema, rule_words

    schema = policy_schema()["$defs"]
    lines = [
        "# Policy",
        "",
        "What a policy file may say. The JSON schema is at `/api/v1/policy/schema` of every server, and printed by",
        "`modelyard policy schema`. How to use it: [promote](../how-to/promote.md). Generated from the types.",
        "",
    ]
    parts = {
        "The file": PolicyFile,
        "A stage": StageEntry,
        "A gate": GateEntry,
        "Who": Who,
        "Window": Window,
        "Weekly": Weekly,
    }
    for title, cls in parts.items():
        lines += [
            f"## {title}",
            "",
            *_described(" ".join((cls.__doc__ or "").split()), schema[cls.__name__]),
            "",
        ]
    lines += [
        "## Rules",
        "",
        "A rule is one of these kinds with its parameters, and may carry an `id`, `waivable: false` and words for a",
        "refusal (`say`). What was not measured is *unknown*, and does not pass.",
        "",
    ]
    for kind, cls in RULES.items():
        lines += [f"### {kind}", "", *_described(rule_words(kind), schema[cls.__name__]), ""]
    lines += ["## Example", "", "```yaml", example_policy().rstrip("\n"), "```", ""]
    return "\n".join(lines)


def _described(words: str, schema: dict[str, Any]) -> list[str]:
    """Return what a docstring says of the whole, then a table of the fields with what it says of each.

    words: sentences, and `field: meaning.` or `field, field: meaning.` where a field needs one.
    """
    found = schema.get("properties", {})
    head, meanings = _meanings(" ".join(words.split()), [*found])
    if not found:
        return [head]
    lines = [head, "", "| field | value | default | meaning |", "| --- | --- | --- | --- |"]
    for name, described in found.items():
        default = "required" if name in schema.get("required", []) else f"`{_json(described.get('default'))}`"
        meaning = meanings.get(name) or _MEANINGS[name]
        lines.append(f"| `{name}` | {_value(described)} | {default} | {meaning.replace('|', chr(92) + '|')} |")
    return lines


_MEANINGS = {
    "version": "version of this form of file",
    "promote": "the gates; each stage needs one, so that an open gate is somebody's choice",
    "to": "the stage behind the gate",
    "rules": "what a version must meet",
    "name": "its name",
    "min": "the least value",
    "max": "the greatest value",
    "rollback": "who may roll back",
    "demote": "who may take a version out of the stage",
    "waive": "who may waive a rule",
    "say": "words for a refusal",
    "metric": "name of the metric",
    "tolerance": "how much worse it may be",
    "split": "split of the data",
    "dataset": "name of the dataset",
    "count": "how many",
    "group": "the group whose members count",
    "require": "all of these",
    "completeness": "least share of the applicable facts",
    "min_words": "least number of words below a heading",
    "allow": "any one of these",
    "one_of": "any one of these values",
    "keys": "name → public key, base64",
    "stage": "the stage that it stood in",
    "at_least": "the shortest time",
    "windows": "from one time to another",
    "start": "its beginning",
    "end": "its end",
    "days": "days of the week",
    "expr": "the expression",
    "also_exclude": "accounts whose votes do not count either",
}
"""Meaning of a field that its name nearly says."""


def _meanings(words: str, names: list[str]) -> tuple[str, dict[str, str]]:
    """Return (what is said of the whole, field → what is said of it)."""
    one = "|".join(map(re.escape, names)) or "(?!)"
    parts = [*re.finditer(rf"(?:(?<=\. )|(?<=; )|^)((?:{one})(?:, (?:{one}))*): ", words)]
    found = {}
    for number, part in enumerate(parts):
        end = parts[number + 1].start() if number + 1 < len(parts) else len(words)
        for name in part[1].split(", "):
            found[name] = words[part.end() : end].strip().rstrip(".;")
    return words[: parts[0].start()].strip() if parts else words, found


def _value(described: dict[str, Any]) -> str:
    if "anyOf" in described:
        return " or ".join(_value(part) for part in described["anyOf"] if part.get("type") != "null")
    if "$ref" in described:
        return described["$ref"].rsplit("/", 1)[-1]
    if "enum" in described:
        return " or ".join(f"`{_json(word)}`" for word in described["enum"])
    if described.get("type") == "array":
        return f"list of {_value(described.get('items', {}))}"
    words = {"string": "text", "object": "mapping"}.get(
        described.get("type", ""), described.get("type", "anything")
    )
    limits = [
        f"{sign} {described[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in described
    ]
    return " ".join([described.get("description", words), *limits])


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


def cli_page() -> str:
    from modelyard.cli.reference import reference

    return reference()


PAGES: dict[str, Callable[[], str]] = {
    "reference/settings.md": settings_page,
    "reference/errors.md": errors_page,
    "reference/api.md": api_page,
    "reference/cli.md": cli_page,
    "reference/policy.md": policy_page,
    "decisions/README.md": decisions_page,
}


PARTS: dict[tuple[str, str], Callable[[], str]] = {
    ("CONTRIBUTING.md", "tree"): source_map.tree,
    ("docs/explanation/architecture.md", "rooms"): source_map.picture,
    ("docs/explanation/architecture.md", "ways"): source_map.ways,
}
"""(page, name of the part) → what stands there, between two comments that name it."""


def with_part(page: str, name: str, text: str) -> str:
    """The page with its part written again. Raises ValueError for a page without the two comments."""
    begin, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
    before, mark, rest = page.partition(begin)
    _, closing, after = rest.partition(end)
    if not (mark and closing):
        raise ValueError(f"the page has no generated part {name!r}")
    return f"{before}{begin}{text}\n{closing}{after}"


def main() -> None:
    for name, write in PAGES.items():
        (DOCS / name).write_text(write())
        print(f"wrote docs/{name}")
    for (file, part), write in PARTS.items():
        page = ROOT / file
        page.write_text(with_part(page.read_text(), part, write()))
        print(f"wrote {part} in {file}")


if __name__ == "__main__":
    main()
