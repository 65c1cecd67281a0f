"""The handlers by action: one async function for each message that a charger sends.

A handler takes the Exchange and the request, a dataclass of the `ocpp` package. It writes through
`exchange.write`, which returns after the commit, and returns the response, a dataclass of the same
package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from levity_trio.charger.exchange import Handler
from levity_trio.charger.handlers import charging, security, station

HANDLERS: Final[Mapping[str, Handler]] = {
    "Authorize": charging.authorize,
    "BootNotification": station.boot_notification,
    "DataTransfer": station.data_transfer,
    "DiagnosticsStatusNotification": station.diagnostics_status_notification,
    "FirmwareStatusNotification": station.firmware_status_notification,
    "Heartbeat": station.heartbeat,
    "LogStatusNotification": security.log_status_notification,
    "MeterValues": charging.meter_values,
    "SecurityEventNotification": security.security_event_notification,
    "SignCertificate": security.sign_certificate,
    "SignedFirmwareStatusNotification": security.signed_firmware_status_notification,
    "StartTransaction": charging.start_transaction,
    "StatusNotification": station.status_notification,
    "StopTransaction": charging.stop_transaction,
}
