"""CEL: limits before the compiler, a process that may die, answers that are never a silent yes."""

from __future__ import annotations

import time

import pytest

from modelyard.registry.promotion import expressions
from modelyard.registry.promotion.cel_limits import limit_problem
from modelyard.registry.promotion.expressions import CelProcess, context_of, evaluate_all
from modelyard.registry.promotion.rules import DataUse, MetricValue
from tests.unit.registry.promotion.evidence import NOW, champion, check, evidence, metric

CONTEXT = context_of(
    evidence(
        metrics=[metric("f1", 0.8), metric("f1", 0.7, split="worst"), metric("bad", None)],
        champion=champion(metric("f1", 0.75)),
        checks=[check("unit", "fail"), check("unit")],
        tags={"team": "a"},
        params={"depth": 6, "loss": "mse"},
        data=[DataUse(name="fraud/a", source="s3://lake/a", split="train", digest="sha256:1")],
    )
)


def test_a_value_on_the_training_split_is_only_had_by_that_name() -> None:
    def values(*metrics: MetricValue) -> object:
        return context_of(evidence(metrics=metrics))["candidate"]["metrics"]

    assert values(metric("f1", 0.99, split="train")) == {"f1": {"train": 0.99}}
    both = values(metric("f1", 0.6, split="test"), metric("f1", 0.99, split="train", at=NOW))
    assert both == {"f1": {"value": 0.6, "test": 0.6, "train": 0.99}}


@pytest.fixture(scope="module")
def cel() -> CelProcess:
    process = CelProcess()
    yield process
    process.close()


@pytest.mark.parametrize(
    ("expr", "value", "error"),
    [
        ("candidate.metrics.f1.value >= 0.7", True, ""),
        ("candidate.metrics.f1.value - candidate.metrics.f1.worst <= 0.05", False, ""),
        ("champion == null || candidate.metrics.f1.value > champion.metrics.f1.value", True, ""),
        ("params.depth <= 12 && params.loss == 'mse'", True, ""),
        ("params.seed == 1", None, "'seed' is not defined"),
        ("data.all(d, d.source.startsWith('s3://lake/'))", True, ""),
        ("data.exists(d, d.split == 'test')", False, ""),
        ("checks.unit == 'fail' && tags.team == 'a'", True, ""),
        ("candidate.metrics.bad.value > 0.1", None, "'bad' is not defined"),
        ("candidate.metrics.f2.value > 0.1", None, "'f2' is not defined"),
        ("candidate.metrics.f1.value > 'a'", None, "overload"),
        ("1 / 0 == 1", None, "zero"),
        ("candidate.metrics.f1.value", None, "not true or false"),
        ("1 +", None, "does not compile"),
    ],
)
def test_what_expressions_give(cel: CelProcess, expr: str, value: bool | None, error: str) -> None:
    found = cel.evaluate(expr, CONTEXT)
    assert found.value is value, found
    assert error in found.error


def test_names_are_checked_when_a_policy_is_saved(cel: CelProcess) -> None:
    assert cel.problem("candidate.metrics.f1.value > 0.5") is None
    assert cel.problem("facts.exists(f, f == 'code')") is None
    assert "did you mean 'candidate'" in (cel.problem("candidat.x == 1") or "")
    assert "does not compile" in (cel.problem("(1") or "")


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("facts.data", "facts is a list of names and has no 'data'; write 'data' in facts"),
        ("tags.team == 'a' && facts.data == 'x'", "facts is a list"),
        ("candidate.metric.f1.value > 0.5", "candidate has no 'metric'; did you mean 'metrics'?"),
        ("champion == null || champion.author == 'ann'", "champion has no 'author'"),
        ("candidate.size_bytes > '5'", "fails on any version"),
        (
            "tags.team == 'b' && (candidate.metrics.f1 > 0.7 || completeness > 0.5)",
            "candidate.metrics.f1 > 0.7",
        ),
        ("data.source == 'x'", "data is a list of datasets and has no 'source'"),
        ("data.all(d, d.source > 3)", "fails on any version"),
        ("facts > 3", "facts is a list of the names"),
        ("candidate.metrics.f1.value", "not true or false"),
        ("facts.exists(f, f.name == 'x')", "fails on any version"),
    ],
)
def test_types_are_checked_when_a_policy_is_saved(cel: CelProcess, expr: str, words: str) -> None:
    assert words in (cel.problem(expr) or "")


@pytest.mark.parametrize(
    "expr",
    [
        "params.depth <= 12 && params.loss == 'mse' && !params.early_stopping",
        "size(data) > 0 && data.all(d, d.source.startsWith('s3://lake/'))",
        "'data' in facts && size(owners) > 0",
        "champion == null || candidate.metrics.f1.value > champion.metrics.f1.test",
        "champion.metrics.f1.value > 0.1",
        "checks['unit-tests'] == 'pass'",
        "licence.startsWith('apache') && task != 'a && b'",
        "has(candidate.metrics.f2) ? candidate.metrics.f2.value > 0.5 : true",
        "facts.exists(f, f == 'code') || card.purpose > 20",
        "candidate.metrics['f1'].value > 0.5",
    ],
)
def test_expressions_that_some_evidence_meets_are_saved(cel: CelProcess, expr: str) -> None:
    assert cel.problem(expr) is None


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("x" * 1001, "characters"),
        ("(" * 41 + "1" + ")" * 41, "brackets"),
        ("!" * 60 + "true", "signs in a row"),
        ("a.all(x, b.all(y, x < y))", "inside another"),
        ("a.all(x, x) && b.all(x, x) && c.all(x, x)", "3 macros"),
    ],
)
def test_limits_come_before_the_compiler(cel: CelProcess, expr: str, words: str) -> None:
    assert words in (limit_problem(expr) or "")
    assert words in cel.evaluate(expr, CONTEXT).error


HIDDEN = [
    '1 == 1 // "\n && a.all(x, b.all(y, c.all(z, x < y)))//"',
    "1 == 1 // '\n && a.all(x, b.all(y, x < y)) // '",
    "r'\\' == 'x' && a.all(x, b.all(y, x < y)) && 'z' == 'z'",
    'r"\\" == a.all(x, b.all(y, true)) || "" == ""',
    '""" " """ == "x" && a.all(x, b.all(y, x < y))',
    "'''it's''' == 'x' && a.all(x, b.all(y, x < y))",
    "a.all // .x(\n (x, b.all(y, x < y))",
    "a . all\t(x, b\n.\n// c\nall\n(y, x < y))",
    "bR'\\' == b'' || a.exists_one(x, b.filter(y, true).size() > 0)",
    "'\\'' == '' || a.map(x, b.map(y, x)).size() > 0 || '' == '\\''",
    "cel.bind(x, a + a, cel.bind(y, x + x, y == y))",
]


@pytest.mark.parametrize("expr", HIDDEN)
def test_nothing_hides_a_macro_inside_another(expr: str) -> None:
    assert "inside another" in (limit_problem(expr) or "") or "macros" in (limit_problem(expr) or "")


@pytest.mark.parametrize(
    "expr",
    ["'a", '"a\n"', "`a`.all(x, x)", "a.\u0430ll(x, x)", "a;b", "'''a''", "r'a", "\u00a0a", "a \\ b", "a # b"],
)
def test_what_is_not_made_of_words_is_not_compiled(expr: str) -> None:
    assert "does not compile" in (limit_problem(expr) or "")


@pytest.mark.parametrize(
    "expr",
    [
        "'a.all(x, b.all(y, true))' == tags.team",
        'tags.team == r\'\\\' || tags.team == """a "quoted" word""" // a.all(x, b.all(',
        "completeness > 1e-3 && !(checks.unit in ['pass', \"don't\"])",
        "candidate.size_bytes < 100u",
    ],
)
def test_what_stands_in_strings_and_comments_does_not_count(cel: CelProcess, expr: str) -> None:
    assert limit_problem(expr) is None
    assert "compile" not in (cel.problem(expr) or "")


def test_the_expressions_of_a_gate_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "GATE_SECONDS", 0.5)
    process = CelProcess()
    wanted = [f"[{','.join('1' * 200)}].map(x, x + {n}).map(y, y * 2).size() > 0" for n in range(40)]
    asked: list[str] = []

    class Slow:
        def evaluate(self, expr: str, context: object) -> object:
            asked.append(expr)
            time.sleep(0.2)
            return process.evaluate("1 == 1", {})

        def problem(self, expr: str) -> str | None:
            return None

    found = evaluate_all(wanted, context_of(evidence()), Slow())  # type: ignore[arg-type]
    process.close()
    assert len(found) == 40
    assert 1 <= len(asked) <= 3
    assert all(found[expr].value is None for expr in wanted if expr not in asked)
    assert "before this one's turn" in found[wanted[-1]].error


def test_an_expression_that_was_stopped_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    process = CelProcess()
    asked: list[object] = []
    monkeypatch.setattr(
        process,
        "_ask",
        lambda request: asked.append(request) or {"error": "the expression was stopped after 250 ms"},
    )
    for number in range(5):
        assert process.evaluate("1 == 1", {"n": number}).value is None
    assert len(asked) == 1


def test_two_macros_beside_each_other_are_fine() -> None:
    assert limit_problem("a.all(x, x > 1) && b.exists(y, y == '(((')") is None
    assert limit_problem("a.filter(x, x > 1).all(y, y > 2)") is None


def test_a_process_that_dies_is_an_unknown_and_is_replaced(cel: CelProcess) -> None:
    assert cel.evaluate("1 == 1", {"n": 1}).value is True
    killed = [each._process for each in cel._processes if each._process is not None]
    assert killed
    for process in killed:
        process.kill()
        process.wait()
    assert cel.evaluate("1 == 1", {"n": 2}).value is True


def test_an_expression_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    process = CelProcess()
    process.evaluate("1 == 1", {})
    monkeypatch.setattr(expressions, "limit_problem", lambda _: None)
    monkeypatch.setattr(expressions, "EVALUATE_SECONDS", 0.3)
    numbers = list(range(1000))
    slow = process.evaluate("a.all(x, a.all(y, a.all(z, x + y + z < 100000)))", {"a": numbers})
    assert slow.value is None
    assert "stopped" in slow.error
    assert "after 300 ms" in slow.error
    assert process.evaluate("1 == 1", {}).value is True
    process.close()


def test_a_source_that_crashes_the_library_hurts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    process = CelProcess()
    monkeypatch.setattr("modelyard.registry.promotion.expressions.limit_problem", lambda _: None)
    found = process.evaluate("(" * 40_000 + "1" + ")" * 40_000, {})
    assert found.value is None
    assert found.error
    assert process.evaluate("2 == 2", {}).value is True
    process.close()


def test_the_same_question_is_asked_once(cel: CelProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluate_all(["completeness == 0.0"], context_of(evidence()), cel)
    monkeypatch.setattr(cel, "_ask", lambda _: pytest.fail("asked again"))
    assert evaluate_all(["completeness == 0.0"], context_of(evidence()), cel) == first


def test_a_rule_over_a_thousand_metrics_has_an_answer(cel: CelProcess) -> None:
    expr = "candidate.metrics.all(m, candidate.metrics[m].value >= champion.metrics[m].value)"
    better, worse = ([metric(f"m{n}", n + d) for n in range(1000)] for d in (1.0, 0.0))
    assert cel.evaluate(expr, context_of(evidence(metrics=better, champion=champion(*worse)))).value is True
    assert cel.evaluate(expr, context_of(evidence(metrics=worse, champion=champion(*better)))).value is False
