"""The variables that make the result of a step the same each time."""

from __future__ import annotations

from modelyard.agent.repeating import repeatable

ABSENT = "1000000"
"""A number of processors that no machine has."""


def test_a_first_build_records_its_processors_and_sets_no_threads() -> None:
    found = repeatable({"PATH": "/bin"})
    assert (found["PYTHONHASHSEED"], "OMP_NUM_THREADS" in found) == ("0", False)
    assert int(found["MODELYARD_PROCESSORS"]) >= 1
    # A repetition on the same machine has the same variables.
    assert repeatable(found) == found


def test_another_machine_has_the_threads_of_the_first() -> None:
    given = {"MODELYARD_PROCESSORS": ABSENT, "PYTHONHASHSEED": "7", "MKL_NUM_THREADS": "3"}
    found = repeatable(given)
    assert found == {**given, "OMP_NUM_THREADS": ABSENT, "OPENBLAS_NUM_THREADS": ABSENT}
