"""GET /metrics: what there is to measure, in the forms that Prometheus reads."""
