"""What a registry does: one folder per feature, each with rules, use cases and queries."""
