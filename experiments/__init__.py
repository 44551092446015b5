"""Experiments on the lab: questions that only a real cluster can answer, and their numbers."""
