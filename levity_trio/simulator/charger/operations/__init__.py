"""The operations that the central system may call, grouped by subject; table.py maps actions to functions."""
