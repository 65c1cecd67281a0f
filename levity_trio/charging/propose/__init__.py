"""Proposing: which figure a person could confirm, if the reported one is in doubt."""
