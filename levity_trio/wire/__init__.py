"""OCPP-J 1.6 as pure functions of text and values, without tasks, sockets, clocks or files."""
