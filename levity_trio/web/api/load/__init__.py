"""Endpoints of load management, and of the power of the site."""
