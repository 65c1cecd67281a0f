"""Days and nights at a feeder, simulated."""
