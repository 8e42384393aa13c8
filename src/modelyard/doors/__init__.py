"""Shared by all HTTP doors: authentication, limits, request bodies, byte ranges, answers and errors."""
