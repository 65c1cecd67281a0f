"""Billing on stored facts: what charging sessions cost, and statements before and after their
closing."""
