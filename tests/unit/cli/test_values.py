"""Values on the command line: numbers only where they print back the same, metrics cut at the last sign."""

from __future__ import annotations

import click
import pytest

from modelyard.cli.output import metric_values
from modelyard.domain.texts import number_or_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("6", 6), ("-3", -3), ("0", 0), ("0.5", 0.5), ("1e-05", 1e-05), ("1e+22", 1e22), ("true", True), ("false", False),
        ("80e5005", "80e5005"), ("00742", "00742"), ("1.10", "1.10"), ("1_000", "1_000"), ("inf", "inf"), ("nan", "nan"),
        ("-0", "-0"), ("+1", "+1"), (" 1", " 1"), ("1e5", "1e5"), ("١", "١"), ("True", "True"), ("", ""),
        ("0x10", "0x10"), ("12345678901234567890123", 12345678901234567890123),
    ],
)  # fmt: skip
def test_a_text_is_a_number_only_if_it_prints_back_the_same(text: str, value: object) -> None:
    found = number_or_text(text)
    assert (found, type(found)) == (value, type(value))


def test_metrics_are_cut_at_the_last_sign() -> None:
    given = ("f1=0.9", "test:f1=0.8", "mAP@0.5:0.95=0.41", "huber_loss[delta=1.3]=0.2", '"a=b:c"=1', "loss=inf")
    assert metric_values(given, "--metric") == {
        "f1": 0.9,
        "test:f1": 0.8,
        "mAP@0.5:0.95": 0.41,
        "huber_loss[delta=1.3]": 0.2,
        '"a=b:c"': 1.0,
        "loss": "Infinity",
    }


@pytest.mark.parametrize("text", ["f1", "=0.5", "f1=high", "f1="])
def test_what_is_not_a_metric_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        metric_values((text,), "--metric")
