"""The server program: start, processes, connections, logs, and operations on a data folder."""
