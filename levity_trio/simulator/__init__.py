"""Simulated chargers: some that behave, some that misbehave; nothing shared with the server but wire/."""
