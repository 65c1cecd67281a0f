"""The write functions. Each makes one complete decision (read, decide, insert, return) in plain,
portable SQL.

A write runs inside the writer's transaction, possibly more than once, so it changes nothing but the
database and receives the time and ids as arguments. Import the modules by name: `starts.start`,
`sessions.begin`.
"""
