"""Modelyard: a self-hosted model registry."""

__version__ = "0.1.0"
