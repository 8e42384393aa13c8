"""Harmless model files pass: none of them is held. All protocols and all libraries: `make corpus`."""

from __future__ import annotations

import os

from modelyard.domain.formats import BytesSource
from modelyard.domain.scanning import Verdict, scan
from tests.support.harmless_files import pickled_files, plain_files

EVERY_PROTOCOL = os.environ.get("MODELYARD_CORPUS") == "all"


def test_pickles_of_models_are_allowed() -> None:
    count, wrong = 0, {}
    for name, data, _ in pickled_files(EVERY_PROTOCOL):
        count += 1
        found = scan(BytesSource(data))
        if found.verdict not in (Verdict.ALLOWLISTED, Verdict.NO_CODE):
            wrong[name] = [f"{f.name}: {f.why}" for f in found.findings][:3]
    assert wrong == {}
    print(f"{count} files with code of libraries")
    assert count > (6000 if EVERY_PROTOCOL else 2500)


def test_files_without_code_are_not_held() -> None:
    count, wrong = 0, {}
    for name, data, _ in plain_files():
        count += 1
        found = scan(BytesSource(data))
        if found.verdict is not Verdict.NO_CODE:
            wrong[name] = [f"{f.name}: {f.why}" for f in found.findings][:3]
    assert wrong == {}
    print(f"{count} files without code")
    assert count > 130
