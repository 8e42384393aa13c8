"""Policy files: what is refused, at which line and why; what several amount to; the schema."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from modelyard.domain.errors import InvalidPolicy
from modelyard.registry.promotion.gates import RULES
from modelyard.registry.promotion.policy import contradiction, effective, parse_policy, unheard
from modelyard.registry.promotion.rules import Mode
from modelyard.registry.promotion.schema import example_policy, policy_schema

OPEN = "  - {to: development, rules: []}\n  - {to: staging, rules: []}\n"


def production(rules: str, head: str = "") -> str:
    return f"version: 1\n{head}promote:\n{OPEN}  - to: production\n    rules:\n      - {rules}\n"


REFUSED: list[tuple[str, int, str]] = [
    # text, line, words
    ("", 1, "a mapping"),
    ("[1", 1, "not YAML"),
    ("a: \t- b: [", 1, "not YAML"),
    ("a: &x 1\nb: *x", 1, "anchors and aliases"),
    ("a: !!python/object:os.system 1", 1, "tags"),
    ("version: 1\nversion: 1", 2, "'version' appears twice"),
    ("? [a]\n: 1", 1, "key is not text"),
    ("version: 2\npromote: []", 1, "version"),
    ("version: 1", 1, "promote"),
    ("version: 1\npromote: []\nstagez: [a]", 3, "did you mean 'stages'"),
    ("version: 1\nmode: loud\npromote: []", 2, "mode"),
    ("version: 1\npromote: []", 2, "no gate to 'development'"),
    ("version: 1\nstages: [lab, lab]\npromote: [{to: lab, rules: []}]", 2, "'lab' appears twice"),
    ("version: 1\nstages: [archived]\npromote: []", 2, "end state"),
    ("version: 1\nstages: [Lab]\npromote: []", 2, "upper-case"),
    ("version: 1\nstages: [latest]\npromote: []", 2, "newest"),
    ("version: 1\nstages: [{name: a, slots: 0}]\npromote: []", 2, "slots"),
    ("version: 1\nstages: [lab]\npromote:\n  - to: lba\n    rules: []", 4, "did you mean 'lab'"),
    (
        "version: 1\nstages: [a, b]\npromote:\n  - {to: a, rules: [], from: [b]}\n  - {to: b, rules: []}",
        4,
        "does not come before",
    ),
    ("version: 1\npromote:\n  - to: a\n    rules: []\n  - to: a\n    rules: []", 5, "appears twice"),
    (production("metirc: {name: f1}"), 7, "did you mean 'metric'"),
    (production("metric: {name: f1, mim: 1}"), 7, "did you mean 'min'"),
    (production("metric: {name: f1}"), 7, "neither min nor max"),
    (production("metric: {name: f1, min: 0.9, max: 0.1}"), 7, "above max"),
    (production("metric: {name: f1, min: 7}"), 7, "outside the range of f1 (0..1)"),
    (production("metric: {name: f1, min: high}"), 7, "a number is needed"),
    (production("metric: {min: 1}"), 7, "missing"),
    (production("{metric: {name: f1, min: 0.5}, owner: {}}"), 7, "exactly one of"),
    (production("id: x"), 7, "exactly one of"),
    (production("owner: {}\n        id: x\n      - owner: {}\n        id: x"), 9, "'x' appears twice"),
    (production("champion: {metric: zeal}"), 7, "set direction"),
    (production("champion: {metric: f1, direction: lower}"), 7, "higher is better"),
    (production("champion: {metric: f1, tolerance: 0.1, min_gain: 0.1}"), 7, "contradict"),
    (production("champion: {metric: f1, tolerance: -1}"), 7, "tolerance"),
    (production("check: {name: x, max_age: soon}"), 7, "max_age"),
    (production("approvals: {count: 0}"), 7, "count"),
    (production("facts: {require: [colour]}"), 7, "'colour' is not a fact"),
    (production("facts: {}"), 7, "neither facts"),
    (production("evaluation: {}"), 7, "neither a split"),
    (production("tags: {require: []}"), 7, "names no tag"),
    (production("attestation: {keys: {a: zzz}}"), 7, "not an Ed25519"),
    (production("soak: {stage: production, at_least: 1h}"), 7, "before it enters"),
    (
        production("soak: {stage: lab, at_least: 1h}", "stages: [development, staging, production]\n"),
        8,
        "no stage 'lab'",
    ),
    (production("freeze: {}"), 7, "names no time"),
    (
        production("freeze: {windows: [{start: 2026-01-02T00:00Z, end: 2026-01-01T00:00Z}]}"),
        7,
        "before it starts",
    ),
    (production("freeze: {windows: [{start: today, end: 2026-01-01T00:00Z}]}"), 7, "not a time"),
    (production('freeze: {weekly: [{days: [sun], start: "12:00", end: "11:00"}]}'), 7, "before it starts"),
    (production(f"assert: {{expr: '{'(' * 41}1{')' * 41}'}}"), 7, "nests 41 brackets"),
    (production(f"assert: {{expr: '{'1+' * 600}1'}}"), 7, "expr"),
    ("a: " + "[" * 20 + "]" * 20, 1, "nested too deeply"),
    ("a: " + "x" * 70_000, 1, "larger than"),
]


@pytest.mark.parametrize(("text", "line", "words"), REFUSED)
def test_refused_with_line_and_reason(text: str, line: int, words: str) -> None:
    with pytest.raises(InvalidPolicy) as error:
        parse_policy(text, is_namespace=True)
    assert (error.value.fields["line"], words in error.value.fields["reason"]) == (line, True), error.value


def test_models_do_not_choose_models() -> None:
    with pytest.raises(InvalidPolicy, match="policy of one model"):
        parse_policy("version: 1\npromote: [{to: production, models: 'a*', rules: []}]", is_namespace=False)


def test_plain_words_are_text_and_numbers_are_numbers() -> None:
    text = production("tags: {require: [no, 2026-03-03, 1e3x, on]}")
    rule = parse_policy(text, is_namespace=True).file.promote[2].rules[0]
    assert rule.tags.require == ["no", "2026-03-03", "1e3x", "on"]


def test_the_digest_is_of_what_a_policy_says() -> None:
    text = production("owner: {}")
    again = "# a comment\n" + text.replace("      - owner: {}", "      -   owner:   {}")
    assert parse_policy(text, is_namespace=True).digest == parse_policy(again, is_namespace=True).digest
    other = production("owner: {}", "mode: warn\n")
    assert parse_policy(other, is_namespace=True).digest != parse_policy(text, is_namespace=True).digest


def both(namespace: str, own: str) -> tuple:
    files = parse_policy(namespace, is_namespace=True).file, parse_policy(own, is_namespace=False).file
    return (*files, effective(["scorer"], *files))


OWN = "version: 1\nmode: warn\npromote:\n  - {to: production, rules: [{owner: {}}]}\n"


def test_a_model_adds_and_never_loosens() -> None:
    _, _, policy = both(production("check: {name: x}"), OWN)
    gate = policy.gates["production"].gate
    assert [named.id for named in gate.rules] == ["check-x", "owner"]
    assert gate.mode is Mode.BLOCK
    assert contradiction(policy) is None


def test_a_model_overrides_where_its_namespace_lets_it() -> None:
    _, _, policy = both(production("check: {name: x}", "models_may: override\n"), OWN)
    gate = policy.gates["production"].gate
    assert ([named.id for named in gate.rules], gate.mode) == (["owner"], Mode.WARN)
    assert policy.gates["staging"].gate.chosen


def test_stages_of_a_model_that_may_not_choose_them_are_named() -> None:
    own = "version: 1\nstages: [a]\npromote: [{to: a, rules: []}]\n"
    _, file, policy = both(production("owner: {}"), own)
    assert "decides the stages" in (unheard(policy, file) or "")


def test_gates_for_some_models_of_a_namespace() -> None:
    text = (
        production("owner: {}") + "  - {to: production, models: 'churn-*', rules: [{check: {name: churn}}]}\n"
    )
    file = parse_policy(text, is_namespace=True).file
    for model, expected in (("scorer", ["owner"]), ("churn-nl", ["owner", "check-churn"])):
        assert [n.id for n in effective([model], file, None).gates["production"].gate.rules] == expected


def test_narrowings_only_narrow() -> None:
    namespace = production("owner: {}").replace(
        "    rules:\n      - owner", "    who: {promote: [a, b]}\n    rules:\n      - owner"
    )
    own = OWN.replace("rules: [{owner", "who: {promote: [b, c]}, rules: [{owner")
    assert both(namespace, own)[2].gates["production"].who.promote == ["b"]
    own = own.replace("[b, c]", "[c]")
    assert both(namespace, own)[2].gates["production"].who.promote == ["(no one)"]


def test_the_example_is_lawful_with_every_rule_switched_on_and_fits_the_schema() -> None:
    schema = policy_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    example = example_policy()
    everything = example.replace("      # - ", "      - ")
    for text in (example, everything):
        parse_policy(text, is_namespace=True)
        jsonschema.validate(yaml.safe_load(text), schema)
    used = [next(iter(rule)) for rule in yaml.safe_load(everything)["promote"][2]["rules"]]
    assert used == list(RULES)
    for wrong in ({"version": 1}, {"version": 1, "promote": [{"to": "a", "rules": [{"metirc": {}}]}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_paths_only_narrow() -> None:
    namespace = production("owner: {}").replace(
        "    rules:\n      - owner", "    from: [staging]\n    rules:\n      - owner"
    )
    for own, expected in (("[staging]", ["staging"]), ("[development]", ["staging"]), ("[]", ["staging"])):
        file = OWN.replace("rules: [{owner", f"from: {own}, rules: [{{owner")
        assert list(both(namespace, file)[2].gates["production"].gate.come_from) == expected
