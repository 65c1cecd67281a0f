"""Matching: to which transaction a stop or a reading belongs."""
