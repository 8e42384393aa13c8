"""Find models by filters and full text across features; read-only, in keyset pages."""
