"""What real meters publish over MQTT: topics and payloads as their documentation has them, and what
they show in A.

Each has the address where that is written. Figures are of the kind and the spelling that are found
there.
"""

from typing import Final, NamedTuple


class Published(NamedTuple):
    """A meter as a site names it, its messages in their order, and the currents of the phases."""

    documentation: str
    meter: str
    messages: tuple[tuple[str, bytes], ...]
    amperes: tuple[float, float, float]


SHELLY_3EM: Final = Published(
    "https://shelly-api-docs.shelly.cloud/gen1/#shelly-3em-mqtt",
    (
        'topic = ["shellies/main/emeter/0/current", "shellies/main/emeter/1/current", '
        '"shellies/main/emeter/2/current"]'
    ),
    (
        ("shellies/main/emeter/0/current", b"0.01"),
        ("shellies/main/emeter/1/current", b"12.34"),
        ("shellies/main/emeter/2/current", b"3.00"),
    ),
    (0.01, 12.34, 3.0),
)
SHELLY_PRO_3EM: Final = Published(
    "https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/EM#status",
    'topic = "shellypro3em-a0dd/status/em:0"\npath = ["a_current", "b_current", "c_current"]',
    (
        (
            "shellypro3em-a0dd/status/em:0",
            (
                b'{"id":0,"a_current":4.029,"a_voltage":236.1,"a_act_power":951.2,'
                b'"a_aprt_power":951.9,"a_pf":1,"b_current":4.027,"b_voltage":236.201,'
                b'"b_act_power":-951.1,"c_current":3.03,"c_voltage":236.402,"n_current":null,'
                b'"total_current":11.083,"total_act_power":2484.782}'
            ),
        ),
    ),
    (4.029, 4.027, 3.03),
)
SHELLY_PRO_3EM_OF_ONE_PHASE: Final = Published(
    "https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/EM1#status",
    'topic = ["pro/status/em1:0", "pro/status/em1:1", "pro/status/em1:2"]\npath = "current"',
    tuple(
        (
            f"pro/status/em1:{phase}",
            b'{"id":%d,"current":%d.5,"voltage":230.1,"act_power":345.2}' % (phase, phase),
        )
        for phase in range(3)
    ),
    (0.5, 1.5, 2.5),
)
TASMOTA: Final = Published(
    "https://tasmota.github.io/docs/MQTT/",
    (
        'topic = "tele/house/SENSOR"\npath = ["ENERGY.Current.0", "ENERGY.Current.1", '
        '"ENERGY.Current.2"]'
    ),
    (
        (
            "tele/house/SENSOR",
            (
                b'{"Time":"2026-03-03T18:52:24","ENERGY":{"TotalStartTime":"2021-04-03T18:52:24",'
                b'"Total":1512.311,'
                b'"Power":[ 0,26,3],"Factor":[0.00,0.62,0.5],'
                b'"Voltage":225,"Current":[0.000,0.189,0.020]}}'
            ),
        ),
    ),
    (0.0, 0.189, 0.02),
)
DSMR_READER: Final = Published(
    "https://dsmr-reader.readthedocs.io/en/v5/how-to/admin/mqtt.html",
    "topic = ["
    '"dsmr/reading/phase_currently_delivered_l1", "dsmr/reading/phase_currently_delivered_l2",'
    ' "dsmr/reading/phase_currently_delivered_l3"]\nshows = "kW"',
    (
        ("dsmr/reading/phase_currently_delivered_l1", b"0.230"),
        ("dsmr/reading/phase_currently_delivered_l2", b"2.990"),
        ("dsmr/reading/phase_currently_delivered_l3", b"0.000"),
    ),
    (1.0, 13.0, 0.0),
)
ESP8266_P1: Final = Published(
    "https://github.com/zuidwijk/esp8266_p1meter",
    'topic = ["p1/l1_instant_power_current", "p1/l2_instant_power_current", '
    '"p1/l3_instant_power_current"]\n'
    'shows = "mA"',
    (
        ("p1/l1_instant_power_current", b"1000"),
        ("p1/l2_instant_power_current", b"0"),
        ("p1/l3_instant_power_current", b"4000"),
    ),
    (1.0, 0.0, 4.0),
)
ZIGBEE2MQTT: Final = Published(
    "https://www.zigbee2mqtt.io/devices/SPM02V3.html",
    'topic = "zigbee2mqtt/House"\npath = ["current_a", "current_b", "current_c"]',
    (
        (
            "zigbee2mqtt/House",
            (
                b'{"ac_frequency":50,"current_a":2.41,"current_b":0,"current_c":11.2,'
                b'"energy":5131.94,"linkquality":120,"power":3127,"power_a":553,"voltage_a":231.4}'
            ),
        ),
    ),
    (2.41, 0.0, 11.2),
)
ONE_PHASE: Final = Published(
    "https://esphome.io/components/mqtt/",
    'topic = "house-meter/sensor/power/state"\nshows = "W"',
    (("house-meter/sensor/power/state", b"2300.00000"),),
    (10.0, 0.0, 0.0),
)
METERS: Final = (
    *(
        SHELLY_3EM,
        SHELLY_PRO_3EM,
        SHELLY_PRO_3EM_OF_ONE_PHASE,
        TASMOTA,
        DSMR_READER,
        ESP8266_P1,
        ZIGBEE2MQTT,
    ),
    ONE_PHASE,
)
