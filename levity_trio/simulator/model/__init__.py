"""The physics of one connector as pure code: its states, its meter, the vehicle and the battery behind the plug."""
