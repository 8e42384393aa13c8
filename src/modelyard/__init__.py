"""Modelyard: a self-hosted model registry.

    import modelyard as my

    my.push(model, "fraud/scorer", alias="champion", metrics={"f1": 0.93})
    model = my.load("fraud/scorer@champion")
    my.pull("fraud/scorer@champion", "./scorer")
    my.Client()                               # everything else

    with my.run("first", experiment="fraud/trees"):
        my.log_param("depth", 6)
        my.log_metric("loss", 0.3)

Importing this takes no server library and no framework; each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelyard.domain.errors import ModelyardError
    from modelyard.sdk.audit import verify_log
    from modelyard.sdk.autolog import autolog
    from modelyard.sdk.bundles import verify_bundle
    from modelyard.sdk.client import Client
    from modelyard.sdk.datasets import Query, describe
    from modelyard.sdk.runs.block import (
        active_run,
        log_artifact,
        log_figure,
        log_image,
        log_input,
        log_metric,
        log_metrics,
        log_param,
        log_params,
        log_table,
        log_text,
        run,
        set_tag,
    )
    from modelyard.sdk.runs.handle import Run
    from modelyard.sdk.shortcuts import check_signature, load, log_dataset, login, pull, push
    from modelyard.sdk.views import Model, Version

__version__ = "0.1.0"

__all__ = [
    "Client",
    "Model",
    "ModelyardError",
    "Query",
    "Run",
    "Version",
    "__version__",
    "active_run",
    "autolog",
    "check_signature",
    "describe",
    "load",
    "log_artifact",
    "log_dataset",
    "log_figure",
    "log_image",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "login",
    "pull",
    "push",
    "run",
    "set_tag",
    "verify_bundle",
    "verify_log",
]

_HOME_OF = {
    "Client": "modelyard.sdk.client",
    "Model": "modelyard.sdk.views",
    "ModelyardError": "modelyard.domain.errors",
    "Run": "modelyard.sdk.runs.handle",
    "Query": "modelyard.sdk.datasets",
    "describe": "modelyard.sdk.datasets",
    "log_dataset": "modelyard.sdk.shortcuts",
    "Version": "modelyard.sdk.views",
    "active_run": "modelyard.sdk.runs.block",
    "autolog": "modelyard.sdk.autolog",
    "check_signature": "modelyard.sdk.shortcuts",
    "load": "modelyard.sdk.shortcuts",
    "log_artifact": "modelyard.sdk.runs.block",
    "log_figure": "modelyard.sdk.runs.block",
    "log_image": "modelyard.sdk.runs.block",
    "log_table": "modelyard.sdk.runs.block",
    "log_text": "modelyard.sdk.runs.block",
    "log_input": "modelyard.sdk.runs.block",
    "log_metric": "modelyard.sdk.runs.block",
    "log_metrics": "modelyard.sdk.runs.block",
    "log_param": "modelyard.sdk.runs.block",
    "log_params": "modelyard.sdk.runs.block",
    "login": "modelyard.sdk.shortcuts",
    "pull": "modelyard.sdk.shortcuts",
    "push": "modelyard.sdk.shortcuts",
    "run": "modelyard.sdk.runs.block",
    "set_tag": "modelyard.sdk.runs.block",
    "verify_bundle": "modelyard.sdk.bundles",
    "verify_log": "modelyard.sdk.audit",
}


_HABITS = {
    "log_model": "my.push(model, 'namespace/name')",
    "save_model": "my.push(model, 'namespace/name')",
    "register_model": "my.push(model, 'namespace/name'), or my.run(…, register='namespace/name')",
    "load_model": "my.load('namespace/name@production')",
    "from_pretrained": "my.load('namespace/name@production'), or my.pull for the files",
    "snapshot_download": "my.pull('namespace/name@production', './folder')",
    "start_run": "with my.run('name', experiment='namespace/experiment'):",
    "end_run": "leaving the block of my.run, or run.end()",
    "init": "run = my.run('name', experiment='namespace/experiment').start(); my.login(url, token) signs in",
    "finish": "run.end(), or leaving the block of my.run",
    "log": "my.log_metrics({'loss': 0.3}, step=1)",
    "set_experiment": "my.run('name', experiment='namespace/experiment')",
    "search_runs": "my.Client().runs.list(experiment='namespace/experiment')",
    "search_models": "my.Client().models.search('words')",
    "set_tracking_uri": "my.login(url, token), or the variable MODELYARD_URL",
    "set_tags": "my.set_tag(name, value), once for each",
    "log_artifacts": "my.log_artifact(path), once for each file",
    "MlflowClient": "my.Client()",
}
"""Names that people type from habit → what to type here."""


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        hint = f"; write {_HABITS[name]}" if name in _HABITS else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
    found = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
