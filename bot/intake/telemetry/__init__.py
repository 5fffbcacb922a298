"""OpenTelemetry in: spans, logs and metrics as any instrumentation sends them, and the runs they tell of."""
