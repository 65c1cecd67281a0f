"""What the central system may ask of a charger, one module a kind; table.py says which function obeys which action."""
