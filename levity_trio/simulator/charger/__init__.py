"""The logic of one simulated charger: pure, synchronous code; the caller passes in the simulated
time."""
