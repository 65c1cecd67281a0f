"""Tests of the simulated charger's quirks."""
