"""`python -m modelyard.scorer` as a program."""

from __future__ import annotations

import subprocess
import sys


def test_a_missing_extra_is_named_without_a_traceback() -> None:
    program = "import runpy, sys; sys.modules['httptools'] = None; runpy.run_module('modelyard.scorer', run_name='__main__')"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == 'serving needs httptools. Install it with: pip install "modelyard[scorer]"\n'
