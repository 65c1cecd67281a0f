"""Signed meter values: what a meter signed, with which key, and what that proves."""
