"""Noting what frameworks do by themselves: params, metrics, inputs and the model that was fitted last.

An autologger is a plug-in for one framework (entry point group `modelyard.autologgers`). It wraps what the
framework calls to train; whatever goes wrong in it is warned of once and never reaches the training.
"""

from modelyard.sdk.autolog.base import Autologger, Noticed, last_model, notice_model, paused
from modelyard.sdk.autolog.discovery import all_autologgers, autolog

__all__ = ["Autologger", "Noticed", "all_autologgers", "autolog", "last_model", "notice_model", "paused"]
