"""The Python client. `import modelyard as my` is its front door."""
