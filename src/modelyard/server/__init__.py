"""The program that serves: start, processes, connections, logs, and what an operator does with a data folder."""
