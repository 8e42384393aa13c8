"""The native HTTP door, under /api/v1: one file of routes per feature."""
