"""The JSON schema of the policy file, and a commented example, both made from the types."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import msgspec

from modelyard.registry.promotion.gates import RULES
from modelyard.registry.promotion.policy import PolicyFile

SCHEMA_ID = "urn:modelyard:policy:1"


@cache
def policy_schema() -> dict[str, Any]:
    """Return a JSON Schema 2020-12. With it an editor completes and checks a policy during typing."""
    (reference,), components = msgspec.json.schema_components([PolicyFile], ref_template="#/$defs/{name}")
    for kind, cls in RULES.items():
        if cls.__name__ in components:
            components[cls.__name__]["description"] = rule_words(kind)
    rule = components["RuleEntry"]
    rule["oneOf"] = [{"required": [kind]} for kind in RULES]
    for kind in RULES:
        # A rule in the file is never null.
        rule["properties"][kind] = {"$ref": f"#/$defs/{RULES[kind].__name__}"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Modelyard policy",
        **reference,
        "$defs": components,
    }


def rule_words(kind: str) -> str:
    """Return the meaning of a rule from the docstring of its class."""
    return inspect.cleandoc(RULES[kind].__doc__ or "").replace("\n", " ")


def example_policy(editor: str | None = None) -> str:
    """Return an example policy: every rule once, most of them commented out. editor: who may edit it; None: anybody."""
    editors = f"editors: [{editor}]" if editor else "# editors: [group:risk]"
    return f"""\
# Policy of a namespace or a model. Put it in force with:
#   modelyard policy set NAMESPACE modelyard-policy.yaml          (or NAMESPACE/MODEL)
# Try it on past promotions first:
#   modelyard policy test NAMESPACE modelyard-policy.yaml --since 90d
version: 1

# warn judges and records but holds nothing back; change it to block when the refusals make sense.
mode: warn

# In order. `slots` lets several versions stand in a stage; the alias points at the primary one.
stages:
  - development
  - staging
  - {{name: production, slots: 1}}

# Whether a model's own policy only adds to this one, or may override its gates.
models_may: add

# Who may edit this policy, of those with the role. Without this line every maintainer may weaken a gate.
{editors}

# How long a promotion waits for missing rules.
open_for: 14d

promote:
  # A gate without rules admits every version. It is written down, so that it is somebody's choice.
  - {{to: development, rules: []}}
  - {{to: staging, rules: []}}

  - to: production
    from: [staging]
    complete: by-hand            # or: automatically, as soon as the last need is met
    # `reported_by: others`: what the version's author reports of it does not count. People who work alone delete
    # `reported_by: others` in the rules below.
    rules:
{_example_rules()}"""


_EXAMPLES: dict[str, tuple[bool, str]] = {
    "metric": (True, "metric: {name: f1, split: test, min: 0.7, reported_by: others}"),
    "champion": (True, "champion: {metric: f1, tolerance: 0.005, reported_by: others}"),
    "evaluation": (False, "evaluation: {split: test, dataset: holdout, reported_by: others}"),
    "check": (True, "check: {name: unit-tests, max_age: 7d, reported_by: others}"),
    "approvals": (False, "approvals: {group: risk, count: 1, expire: 14d}"),
    "facts": (False, "facts: {require: [code, data, environment], completeness: 0.8}"),
    "param": (False, "param: {name: max_depth, max: 12}"),
    "data": (False, "data: {allow: ['s3://lake/*', fraud/transactions], split: train}"),
    "card": (
        True,
        "card: {sections: [purpose, performance, limitations, intended use, ethics], min_words: 10}",
    ),
    "tags": (False, "tags: {require: [team, risk-class]}"),
    "owner": (False, "owner: {}"),
    "licence": (False, "licence: {allow: [Apache-2.0, MIT]}"),
    "scan": (False, "scan: {max_age: 30d}"),
    "attestation": (False, "attestation: {keys: {release: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}}"),
    "soak": (False, "soak: {stage: staging, at_least: 24h}"),
    "policy_stood_for": (False, "policy_stood_for: {at_least: 7d}"),
    "freeze": (
        False,
        'freeze: {weekly: [{days: [fri, sat, sun], start: "16:00", say: "not before the weekend"}]}',
    ),
    "assert": (False, "assert: {expr: 'candidate.completeness > 0.5', say: too little is known}"),
}


def _example_rules() -> str:
    lines = []
    for kind in RULES:
        active, text = _EXAMPLES[kind]
        meaning = rule_words(kind).partition("  ")[0].partition("`: ")[2]
        lines.append(f"      # {meaning}")
        lines.append(f"      {'' if active else '# '}- {text}")
    return "\n".join(lines) + "\n"
