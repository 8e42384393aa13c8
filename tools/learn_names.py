"""Writes the exact names that fitted estimators of scikit-learn hold and that no rule of the scan covers.

Run it with a new release of scikit-learn, and read what it adds: every name is something that a pickle may
call. Names of earlier releases are kept.
"""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "src" / "modelyard" / "domain" / "scanning" / "learned_names.py"
HEAD = '''"""Exact names that fitted estimators of scikit-learn hold and no rule covers. Written by tools/learn_names.py."""

LEARNED = (
'''


def main() -> None:
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    import joblib
    from tests.support.estimators import fitted_estimators

    from modelyard.domain.formats import BytesSource
    from modelyard.domain.scanning import scan
    from modelyard.domain.scanning.learned_names import LEARNED

    found: dict[str, str] = {}
    count = 0
    for name, estimator in fitted_estimators(instances_each=3):
        count += 1
        file = io.BytesIO()
        joblib.dump(estimator, file)
        for data in (pickle.dumps(estimator, 2), pickle.dumps(estimator, 5), file.getvalue()):
            for finding in scan(BytesSource(data)).findings:
                if finding.name is not None:
                    found.setdefault(finding.name, name)
    for new, estimator_name in sorted(found.items()):
        print(f"{new}\tof {estimator_name}")
    lines = [f'    "{name}",\n' for name in sorted({*LEARNED, *found})]
    TARGET.write_text(HEAD + "".join(lines) + ")\n")
    print(f"{count} estimators, {len(found)} new names")


if __name__ == "__main__":
    main()
