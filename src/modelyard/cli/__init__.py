"""The command `modelyard`: one file of commands per feature, on top of the client; admin.py starts a server."""
