"""Builds: trainings that the registry itself carries out from a recipe, step by step.

A build has attempts; an attempt is one try by one agent, the program that carries out the steps. An agent says what
happened in numbered frames, so that nothing is stored twice, and an agent of an earlier attempt is refused.
"""
