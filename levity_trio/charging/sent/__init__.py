"""What a charger sent, as facts that can be compared: readings, times, powers, and the evidence for one transaction."""
