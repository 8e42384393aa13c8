"""Finding models: filters and full text across features, read-only, by keyset pages."""
