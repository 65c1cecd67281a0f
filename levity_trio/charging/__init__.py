"""A charging transaction, pure: what a charger's messages mean for it, and how much energy it delivered."""
