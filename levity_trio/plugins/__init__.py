"""Plugins. Built-in and third-party plugins are both found through entry points."""
