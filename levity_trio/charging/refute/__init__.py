"""Refuting: whether the reported figure is certain."""
