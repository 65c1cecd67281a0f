"""What a charger sent, as facts that can be compared: readings, times, powers, the evidence for one
transaction, and the figures that it shows."""
