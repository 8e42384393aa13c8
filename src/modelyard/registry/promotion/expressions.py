"""Evaluate CEL expressions in separate processes, so that neither a long run nor a crash affects the server.

A worker process reads and writes lines of JSON. It is started when it is first needed, has ten seconds for each
expression and fifteen for all of one gate, and is ended and replaced when it takes longer or dies. There are two, so
that one team's slow expression does not hold up another team's quick one. An expression that was stopped is not tried
again for a minute. Nothing here runs in the database's writer: see modelyard.db.needs.
"""

from __future__ import annotations

import queue
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.canonical import canonical_json
from modelyard.domain.digest import Digest
from modelyard.domain.metric_names import is_training
from modelyard.domain.texts import nearest
from modelyard.registry.line_process import LineProcess
from modelyard.registry.promotion.cel_limits import KNOWN_NAMES, MAX_LIST, limit_problem, macro_variables
from modelyard.registry.promotion.cel_types import TYPES, field_problem, operands, samples
from modelyard.registry.promotion.rules import Assertion, Evidence, MetricValue

EVALUATE_SECONDS = 10.0
"""A rule that compares a thousand metrics takes two on an idle machine."""
GATE_SECONDS = 15.0
"""For all expressions of one gate together; the results of the rest are unknown, so they let nothing pass."""
_REST_SECONDS = 60.0
_REMEMBERED = 2000
_PROCESSES = 2


class CelProcess:
    """Evaluates expressions, a few at a time; safe in threads.

    Both methods answer in bounded time and never raise because of an expression.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes = [LineProcess("modelyard.registry.promotion.cel_worker") for _ in range(_PROCESSES)]
        self._free: queue.LifoQueue[LineProcess] = queue.LifoQueue()
        for process in self._processes:
            self._free.put(process)
        self._known: OrderedDict[tuple[str, Digest], Assertion] = OrderedDict()
        self._resting: OrderedDict[str, float] = OrderedDict()

    def evaluate(self, expr: str, context: Mapping[str, Any]) -> Assertion:
        """Evaluate an expression; the result for the same expression and context is remembered."""
        problem = limit_problem(expr)
        if problem is not None:
            return Assertion(error=problem)
        key = (expr, digest_of(context))
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
            if time.monotonic() < self._resting.get(expr, 0.0):
                return Assertion(error="the expression was stopped within the last minute")
        answer = self._ask({"expr": expr, "context": context})
        found = Assertion(value=answer.get("value"), error=str(answer.get("error", "")))
        with self._lock:
            if "stopped" in found.error:
                self._resting[expr] = time.monotonic() + _REST_SECONDS
                _keep_newest(self._resting)
            else:
                self._known[key] = found
                _keep_newest(self._known)
            return found

    def problem(self, expr: str) -> str | None:
        """Return what is wrong with the expression; None if it compiles and every name in it exists."""
        problem = limit_problem(expr)
        if problem is not None:
            return problem
        answer = self._ask({"expr": expr})
        if answer.get("error"):
            return str(answer["error"])
        bound = macro_variables(expr)
        for name in answer.get("names", []):
            if name not in KNOWN_NAMES and name not in bound:
                known = ", ".join(sorted(KNOWN_NAMES))
                return f"there is no {name!r}{nearest(name, KNOWN_NAMES)} The names are {known}"
        return field_problem(expr) or self._type_problem(expr)

    def _type_problem(self, expr: str) -> str | None:
        """Return a problem with an operand that is not true or false on any evidence; None if there is none."""
        for operand in operands(expr):
            answers = [self._ask({"expr": operand, "context": context}) for context in samples(expr)]
            errors = {str(answer["error"]) for answer in answers if answer.get("error")}
            if all(answer.get("mistyped") for answer in answers):
                types = [
                    f"{name} is {words}" for name, words in TYPES.items() if re.search(rf"\b{name}\b", operand)
                ]
                return f"{operand!r} fails on any version: {sorted(errors)[0]} {'; '.join(types)}".strip()
        return None

    def close(self) -> None:
        for process in self._processes:
            process.stop()

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        process = self._free.get()
        try:
            return process.ask(request, EVALUATE_SECONDS)
        except TimeoutError:
            return {"error": f"the expression was stopped after {EVALUATE_SECONDS * 1000:.0f} ms"}
        except (OSError, ValueError) as exc:
            return {"error": f"the evaluation stopped: {type(exc).__name__}"}
        finally:
            self._free.put(process)


def _keep_newest(remembered: OrderedDict[Any, Any]) -> None:
    if len(remembered) > _REMEMBERED:
        remembered.popitem(last=False)


shared_evaluator = CelProcess()
"""The instance of this server process."""


def digest_of(context: Mapping[str, Any]) -> Digest:
    return Digest.of(canonical_json(context))


def with_assertions(tx: Transaction, evidence: Evidence, expressions: Iterable[str]) -> Evidence:
    """Return the evidence with the results of the expressions, which are evaluated outside the transaction."""
    wanted = tuple(dict.fromkeys(expressions))
    if not wanted:
        return evidence
    context = context_of(evidence)
    key = ("assertions", wanted, digest_of(context))
    return msgspec.structs.replace(evidence, assertions=tx.outside(key, partial(evaluate_all, wanted, context)))


def evaluate_all(
    expressions: Iterable[str], context: Mapping[str, Any], evaluator: CelProcess = shared_evaluator
) -> dict[str, Assertion]:
    """Return each expression's result, or why it has none, within the time limit of one gate."""
    found: dict[str, Assertion] = {}
    until = time.monotonic() + GATE_SECONDS
    for expr in expressions:
        if time.monotonic() < until:
            found[expr] = evaluator.evaluate(expr, context)
        else:
            found[expr] = Assertion(
                error=f"the gate's expressions took {GATE_SECONDS * 1000:.0f} ms before this one's turn"
            )
    return found


def context_of(evidence: Evidence) -> dict[str, Any]:
    """Return the context of an expression. It has no time in it, so the same evidence gives the same context."""
    champion = evidence.champion
    states: dict[str, str] = {}
    for check in evidence.checks[:MAX_LIST]:
        states.setdefault(check.name, check.state)
    return {
        "candidate": {
            "version": evidence.version,
            "digest": evidence.digest,
            "author": evidence.author,
            "size_bytes": evidence.size_bytes,
            "framework": evidence.framework or "",
            "completeness": evidence.completeness,
            "metrics": _metrics(evidence.metrics),
        },
        "champion": None
        if champion is None
        else {"version": champion.version, "digest": champion.digest, "metrics": _metrics(champion.metrics)},
        "checks": states,
        "tags": dict(evidence.tags),
        "facts": list(evidence.facts),
        "params": dict(islice(evidence.params.items(), MAX_LIST)),
        "data": [
            {"name": use.name, "source": use.source, "split": use.split, "digest": use.digest}
            for use in evidence.data[:MAX_LIST]
        ],
        "card": dict(evidence.card or {}),
        "owners": list(evidence.owners),
        "licence": evidence.licence or "",
        "task": evidence.task or "",
        "completeness": evidence.completeness,
    }


def _metrics(metrics: Iterable[MetricValue]) -> dict[str, Any]:
    """Return `metrics.f1.value`, and `metrics.f1.test` by split; values that are not finite are omitted.

    `value` is the newest one that names no split, or the newest of all when each names one. A value on the training
    split is never `value`: it has to be asked for by that split.
    """
    found: dict[str, dict[str, Any]] = {}
    for metric in sorted(metrics, key=lambda m: (not m.split, m.at)):
        if metric.value is None or (metric.name not in found and len(found) >= MAX_LIST):
            continue
        by_split = found.setdefault(metric.name, {})
        if not is_training(metric.split):
            by_split["value"] = metric.value
        if metric.split:
            by_split[metric.split] = metric.value
    return found
