"""The mind of one simulated charger, part by part."""
