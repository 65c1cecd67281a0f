"""Tests of the manual, and what writes its reference."""
