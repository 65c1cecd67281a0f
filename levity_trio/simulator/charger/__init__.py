"""The mind of one simulated charger: pure, synchronous, driven from outside with the simulated time."""
