"""Every component in every state, for people who change the pages: shown only with the setting show_components."""

from __future__ import annotations

from starlette.responses import Response

from modelyard.domain.errors import Invalid
from modelyard.registry.promotion.rules import Mode, Outcome, RuleResult, Verdict
from modelyard.web import charts
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_STATES = (
    "recalled",
    "recalled (warning)",
    "quarantined",
    "not scanned yet",
    "damaged",
    "files withheld",
    "deprecated",
    "archived",
    "deleted",
)


def _result(outcome: Outcome, measured: str) -> RuleResult:
    return RuleResult(
        rule="metric-f1",
        kind="metric",
        outcome=outcome,
        measured=measured,
        needed="f1 (split test) >= 0.9",
        who="the person who evaluates the version",
        fix="modelyard evaluation report fraud/scorer:12 f1=VALUE --split test",
    )


@table.get("/_components", public=True)
async def components(visit: Visit) -> Response:
    verdict = Verdict(
        stage="production",
        mode=Mode.BLOCK,
        passed=False,
        results=[
            _result(Outcome.PASS, "f1 (split test) = 0.95"),
            _result(Outcome.FAIL, "f1 (split test) = 0.71"),
            _result(Outcome.UNKNOWN, "f1 (split test) was not measured"),
            _result(Outcome.WAIVED, "waived by ann: agreed with risk"),
        ],
        notes=["This gate was weakened two days ago by bob."],
    )
    points = [charts.Point(n, 0.8 + n / 100, "production" if n == 7 else "", n == 4) for n in range(1, 9)]
    months = [f"2026-{n:02}" for n in range(1, 13)]
    return await visit.render(
        "components.html",
        verdict=verdict,
        states=_STATES,
        error=Invalid(reason="'tomorrow' is not a time", fix="Write for example 2026-03-03 or 90d"),
        by_version=charts.by_version(points, "higher"),
        by_step=charts.by_step("loss", range(50), [1 / (n + 1) for n in range(50)]),
        lines=charts.lines_by_month(
            months, [[n / 2 for n in range(12)], [n + 1.0 for n in range(12)]], charts.number_words, "Lines"
        ),
        bars=charts.bars_by_month(months, [[*range(12)], [n % 3 for n in range(12)]], "Bars"),
    )
