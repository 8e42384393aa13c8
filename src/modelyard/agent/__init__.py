"""The agent: the program that carries out one attempt of a build, wherever an executor starts it.

`python -m modelyard.agent` reads from environment variables where the server is and which attempt to carry out. It claims the attempt,
does the steps of the plan in a folder of its own, and sends what happens as numbered frames, each stored exactly once.
It stops when the server asks for that, when a newer attempt took its place, or when the server was away for too long.
"""
