"""PrometheusMetrics: Levity's twenty metrics and ours, at /metrics of `--metrics-port`.

Counters follow the facts, and go on over a restart where these are kept; gauges are read when somebody looks. Others
may not make series grow: labels are chargers that have a row, and words of OCPP.
"""

from levity_trio.plugins.prometheus.opening import open_prometheus_metrics

__all__ = ["open_prometheus_metrics"]
