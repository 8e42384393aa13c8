"""The steps of an attempt by their kinds."""

from __future__ import annotations

from collections.abc import Callable

from modelyard.agent.preparing import Preparation
from modelyard.agent.registering import Registration
from modelyard.agent.training import Training
from modelyard.agent.workplace import Workplace
from modelyard.wire import builds as wire


class Steps:
    """kinds: what carries out a step of each kind, and returns (state, reason); None: ("ok", "")."""

    def __init__(self, place: Workplace) -> None:
        self.training = training = Training(place)
        self.registration = registration = Registration(place, training)
        preparation = Preparation(place, training.started_run)
        self.kinds: dict[str, Callable[[wire.PlannedStep], tuple[str, str] | None]] = {
            "source": preparation.fetch_source,
            "data": preparation.check_data,
            "environment": preparation.prepare_environment,
            "command": training.run_command,
            "train": training.train,
            "test": training.test,
            "evaluate": training.evaluate,
            "package": training.package,
            "push": registration.push,
            "gate": registration.gate,
            "compare": registration.compare,
        }
