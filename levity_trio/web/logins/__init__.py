"""Who has logged in: the browsers of users, one-time codes, and tokens."""
