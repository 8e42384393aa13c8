"""The features of the registry: one folder per feature, each with rules, use cases and queries."""
