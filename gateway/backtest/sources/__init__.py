"""Where history comes from: the journal, the telemetry store, a CSV file, a file of InfluxDB's line protocol."""
