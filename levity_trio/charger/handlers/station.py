"""Messages about the charger itself: BootNotification, Heartbeat, StatusNotification and the rest
of §4."""

from __future__ import annotations

from levity_trio.access.registration import WAIT_SECONDS
from levity_trio.charger.exchange import Exchange
from levity_trio.charging.sent.readings import understand
from levity_trio.events import DataTransferred, DiagnosticsStatusChanged, FirmwareStatusChanged
from levity_trio.store.writes.chargers import chargers, sessions
from levity_trio.wire.payloads import call, call_result
from levity_trio.wire.secrets import masked_frame
from levity_trio.wire.texts import LONGEST_OF, cut
from levity_trio.wire.times import STATUS_AHEAD, wire_time

UNKNOWN_VENDOR = "UnknownVendorId"


async def boot_notification(
    exchange: Exchange, request: call.BootNotification
) -> call_result.BootNotification:
    """§4.2: store the charger's identification; return the time, its registration and the heartbeat
    interval.

    The interval of a charger that is not accepted is the wait until its next BootNotification.
    """
    identification = chargers.Identification(
        vendor=request.charge_point_vendor or None,
        model=request.charge_point_model or None,
        serial_number=request.charge_point_serial_number or None,
        charge_box_serial_number=request.charge_box_serial_number or None,
        firmware_version=request.firmware_version or None,
        iccid=request.iccid or None,
        imsi=request.imsi or None,
        meter_type=request.meter_type or None,
        meter_serial_number=request.meter_serial_number or None,
    )
    status = exchange.central.registrations.status(exchange.charger)
    interval = WAIT_SECONDS.get(status, exchange.central.config.heartbeat_interval_seconds)
    await exchange.write(chargers.boot, identification, exchange.message, status, interval)
    exchange.set_heartbeat_interval(interval)
    exchange.visitor.identify(
        identification.serial_number or identification.charge_box_serial_number
    )
    now = wire_time(exchange.central.clock())
    return call_result.BootNotification(current_time=now, interval=interval, status=status)


async def heartbeat(exchange: Exchange, request: call.Heartbeat) -> call_result.Heartbeat:  # noqa: ARG001 - it is empty
    """§4.6: return the time. The response promises no storage, so it does not wait for the disk."""
    key, at = ("heartbeat", exchange.charger), exchange.origin.received_at
    exchange.central.writer.coalesce(key, sessions.heartbeat, exchange.charger, at)
    return call_result.Heartbeat(current_time=wire_time(exchange.central.clock()))


async def status_notification(
    exchange: Exchange, request: call.StatusNotification
) -> call_result.StatusNotification:
    """§4.9: store the status of a connector, or of the charger itself (connector 0)."""
    status = chargers.ReportedStatus(
        connector=request.connector_id,
        status=request.status,
        error_code=request.error_code,
        info=request.info or None,
        vendor_id=request.vendor_id or None,
        vendor_error_code=request.vendor_error_code or None,
        moment=understand(request.timestamp, exchange.at, STATUS_AHEAD),
    )
    await exchange.write(chargers.status, status)
    return call_result.StatusNotification()


async def data_transfer(exchange: Exchange, request: call.DataTransfer) -> call_result.DataTransfer:
    """§4.3: store the data and reject it, because no vendor extension is supported."""
    data = request.data and cut(masked_frame(request.data), LONGEST_OF["data"])
    await exchange.record(
        DataTransferred, vendor_id=request.vendor_id, message_id=request.message_id, data=data
    )
    return call_result.DataTransfer(status=UNKNOWN_VENDOR)


async def diagnostics_status_notification(
    exchange: Exchange, request: call.DiagnosticsStatusNotification
) -> call_result.DiagnosticsStatusNotification:
    """§4.4: store the status of a diagnostics upload."""
    await exchange.record(DiagnosticsStatusChanged, status=request.status)
    return call_result.DiagnosticsStatusNotification()


async def firmware_status_notification(
    exchange: Exchange, request: call.FirmwareStatusNotification
) -> call_result.FirmwareStatusNotification:
    """§4.5: store the status of a firmware update."""
    await exchange.record(FirmwareStatusChanged, status=request.status, request_id=None)
    return call_result.FirmwareStatusNotification()
