"""The built-in rules, one small file each. The word in the policy file is the class's `kind`."""

from __future__ import annotations

from modelyard.registry.promotion.gates.approvals import ApprovalsRule
from modelyard.registry.promotion.gates.assertion import AssertRule
from modelyard.registry.promotion.gates.attestation import AttestationRule
from modelyard.registry.promotion.gates.base import RuleBase
from modelyard.registry.promotion.gates.card import CardRule
from modelyard.registry.promotion.gates.champion import ChampionRule
from modelyard.registry.promotion.gates.check import CheckRule
from modelyard.registry.promotion.gates.data import DataRule
from modelyard.registry.promotion.gates.evaluation import EvaluationRule
from modelyard.registry.promotion.gates.facts import FactsRule
from modelyard.registry.promotion.gates.freeze import FreezeRule
from modelyard.registry.promotion.gates.labels import LicenceRule, OwnerRule, TagsRule
from modelyard.registry.promotion.gates.metric import MetricRule
from modelyard.registry.promotion.gates.param import ParamRule
from modelyard.registry.promotion.gates.scan import ScanRule
from modelyard.registry.promotion.gates.soak import SoakRule
from modelyard.registry.promotion.gates.stood_for import StoodForRule

RULES: dict[str, type[RuleBase]] = {
    cls.kind: cls
    for cls in (
        MetricRule,
        ChampionRule,
        EvaluationRule,
        CheckRule,
        ApprovalsRule,
        FactsRule,
        ParamRule,
        DataRule,
        CardRule,
        TagsRule,
        OwnerRule,
        LicenceRule,
        ScanRule,
        AttestationRule,
        SoakRule,
        StoodForRule,
        FreezeRule,
        AssertRule,
    )
}
"""Word → class."""
