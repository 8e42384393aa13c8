"""Noting what frameworks do by themselves: params, metrics, inputs and the model that was fitted last.

An autologger is a plug-in for one framework (entry point group `modelyard.autologgers`). It wraps what the
framework calls to train; whatever goes wrong in it is warned of once and never reaches the training.
"""

from modelyard.sdk.autolog.base import Autologger
from modelyard.sdk.autolog.discovery import all_autologgers, autolog
from modelyard.sdk.notice import Noticed, last_model, notice_model, paused

__all__ = ["Autologger", "Noticed", "all_autologgers", "autolog", "last_model", "notice_model", "paused"]
