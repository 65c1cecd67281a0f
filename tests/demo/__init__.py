"""The demo: its history, how that is made, and the program on it."""
