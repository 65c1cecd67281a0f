"""The server in a real browser: Chromium, driven by Playwright in a process of its own (play.py).

Playwright needs asyncio, which the processes of this project and of its tests do without: only
`play` and what it plays import it.
"""
