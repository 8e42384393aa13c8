"""Recipes: what they mean, and what a refusal says."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.domain.errors import InvalidRecipe
from modelyard.registry.builds.recipe import STEPS, parse_recipe

_LEAST = "version: 1\nmodel: fraud/scorer\ntrain: python train.py\n"


def names(text: str) -> list[str]:
    return [step.name for step in parse_recipe(text).steps]


def test_two_lines_are_enough() -> None:
    recipe = parse_recipe(_LEAST)
    assert names(_LEAST) == ["provision", "source", "environment", "train", "package", "push"]
    assert str(recipe.model) == "fraud/scorer"
    assert recipe.timeout_seconds == 24 * 3600
    assert recipe.memory_bytes is None


def test_every_usual_step_in_order() -> None:
    text = _LEAST + (
        "data: {transactions: {ref: fraud/transactions}}\n"
        "test: pytest tests\n"
        "evaluate: {run: python evaluate.py, split: holdout}\n"
        "promote: {to: staging}\n"
    )
    assert names(text) == list(STEPS)
    (evaluate,) = [step for step in parse_recipe(text).steps if step.kind == "evaluate"]
    assert evaluate.report == "metrics.json"


def test_a_step_has_the_network_if_it_or_the_recipe_asks() -> None:
    def asking(text: str) -> list[str]:
        return [step.name for step in parse_recipe(text).steps if step.network]

    test = "test: {run: pytest, network: true}\n"
    assert asking(_LEAST + "test: pytest\n") == []
    assert asking(_LEAST + test) == ["test"]
    own = "network: true\nsteps: [{name: own, run: 'true', network: false}, {name: fetch, run: 'true'}]\n"
    assert asking(_LEAST + own + test) == ["fetch", "train", "test"]


def test_own_steps_follow_the_step_that_they_name() -> None:
    text = _LEAST + (
        "steps:\n"
        "  - {name: plot, run: python plot.py, after: report}\n"
        "  - {name: prepare, run: python prepare.py}\n"
        "  - {name: report, run: python report.py, after: train, timeout: 5m}\n"
        "  - {name: tidy, run: 'true', after: evaluate}\n"
    )
    order = names(text)
    assert order == [
        *("provision", "source", "environment", "prepare", "train", "tidy", "report", "plot"),
        *("package", "push"),
    ] or order == [
        *("provision", "source", "environment", "prepare", "train", "report", "plot", "tidy"),
        *("package", "push"),
    ]
    (report,) = [step for step in parse_recipe(text).steps if step.name == "report"]
    assert (report.kind, report.timeout_seconds) == ("command", 300)


@pytest.mark.parametrize(
    ("value", "command"),
    [
        (6, "train --depth 6"),
        (0.5, "train --depth 0.5"),
        (True, "train --depth true"),
        ("deep", "train --depth deep"),
        ("a b; rm -rf ~", "train --depth 'a b; rm -rf ~'"),
        ("$(id) `id`", "train --depth '$(id) `id`'"),
        ("{depth}", "train --depth '{depth}'"),
        ("", "train --depth ''"),
    ],
)
def test_a_param_is_one_word_of_the_command(value: Any, command: str) -> None:
    text = "version: 1\nmodel: fraud/scorer\nparams: {depth: 1}\ntrain: train --depth {depth}\n"
    (train,) = [step for step in parse_recipe(text, params={"depth": value}).steps if step.kind == "train"]
    assert train.command == command


def test_doubled_braces_and_others_are_left_to_the_shell() -> None:
    text = (
        "version: 1\nmodel: fraud/scorer\nparams: {depth: 1}\n"
        "train: echo {{depth}} ${HOME} {1..3} {a,b} {depth}\n"
    )
    with pytest.raises(InvalidRecipe, match="HOME"):
        parse_recipe(text)
    (train,) = [s for s in parse_recipe(text.replace("${HOME}", "$HOME")).steps if s.kind == "train"]
    assert train.command == "echo {depth} $HOME {1..3} {a,b} 1"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "begins with `version: 1`"),
        ("- a\n", 1, "begins with `version: 1`"),
        ("version: 1\nmodel: a/b\n", 1, "missing: `train`"),
        ("version: 2\nmodel: a/b\ntrain: x\n", 1, "version"),
        (_LEAST + "tests: pytest\n", 4, "'tests' is not a field here; did you mean 'test'?"),
        (_LEAST + "environment: {loc: uv.lock}\n", 4, "'loc' is not a field here; did you mean 'lock'?"),
        (_LEAST + "environment:\n  lock: uv.lock\n  project: pyproject.toml\n", 6, "are both given"),
        (_LEAST + "environment: {python: '2.7'}\n", 4, "python"),
        (_LEAST + "resources: {memory: much}\n", 4, "not a size"),
        (_LEAST + "resources: {timeout: 2 hours}\n", 4, "timeout"),
        (_LEAST + "result: ../elsewhere\n", 4, "result"),
        (_LEAST + "result: /etc/passwd\n", 4, "result"),
        (_LEAST + "evaluate: {run: x, report: ../../m.json}\n", 4, "report"),
        (_LEAST + "steps: [{name: train, run: x}]\n", 4, "one of the usual steps"),
        (_LEAST + "steps: [{name: a, run: x}, {name: a, run: y}]\n", 4, "appears twice"),
        (
            _LEAST + "steps: [{name: a, run: x, after: trian}]\n",
            4,
            "no step 'trian'; did you mean 'train'?",
        ),
        (
            _LEAST + "steps:\n  - {name: a, run: x, after: b}\n  - {name: b, run: x, after: a}\n",
            4,
            "wait for one another",
        ),
        (_LEAST + "params: {depth: 1}\ntest: t {dept}\n", 5, "names no param; did you mean 'depth'?"),
        ("version: 1\nmodel: Fraud\ntrain: x\n", 2, "model"),
        (_LEAST + "train: y\n", 4, "appears twice"),
        (_LEAST + "x: &a 1\n", 4, "anchors"),
        (_LEAST + "retry: {attempts: 99}\n", 4, "retry.attempts"),
        (_LEAST + "promote: {to: [a, b]}\n", 4, "promote.to"),
    ],
)
def test_a_wrong_recipe_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(InvalidRecipe) as refused:
        parse_recipe(text)
    assert refused.value.fields["line"] == line
    assert reason in str(refused.value.fields["reason"])


def test_a_request_changes_only_params_that_the_recipe_has() -> None:
    text = _LEAST + "params: {depth: 6, seed: 1}\n"
    assert parse_recipe(text, params={"depth": 9}).params == {"depth": 9, "seed": 1}
    with pytest.raises(InvalidRecipe, match="no param 'dept'; did you mean 'depth'"):
        parse_recipe(text, params={"dept": 9})
    assert str(parse_recipe(text, model="fraud/other").model) == "fraud/other"
