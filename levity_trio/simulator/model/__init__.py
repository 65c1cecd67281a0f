"""The physics of one connector as pure code: statuses, meter, vehicle and battery."""
