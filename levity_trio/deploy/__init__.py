"""What an operator installs with the server: its files, from templates and settings, and the
commands that install, upgrade and remove it.
"""
