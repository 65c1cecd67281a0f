"""The write functions: each one a whole decision (look, decide, insert, answer), in plain portable SQL.

A write runs inside the writer's transaction, perhaps more than once, and so changes nothing but the database; clock
and ids are its arguments. Import the modules by name: `starts.start`, `sessions.begin`.
"""
