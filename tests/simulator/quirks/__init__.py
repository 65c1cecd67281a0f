"""Tests of the simulated charger's misbehaviour."""
