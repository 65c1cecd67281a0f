"""What chargers do, told to an MQTT broker: for Home Assistant, and for whoever else subscribes."""
