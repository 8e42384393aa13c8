"""Automatic logging of frameworks: params, metrics, inputs and the last fitted model.

An autologger is a plug-in for one framework (entry point group `modelyard.autologgers`). It wraps the training
functions of the framework; an error in it is logged once as a warning and never reaches the training.
"""

from modelyard.sdk.autolog.base import Autologger
from modelyard.sdk.autolog.discovery import all_autologgers, autolog
from modelyard.sdk.notice import Noticed, last_model, notice_model, paused

__all__ = ["Autologger", "Noticed", "all_autologgers", "autolog", "last_model", "notice_model", "paused"]
