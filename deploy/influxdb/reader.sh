#!/bin/bash
# Runs once, when InfluxDB 2.x sets itself up: a user for Grafana who may read telemetry and nothing else. Grafana passes
# whatever a viewer sends on to its data source, with the data source's own credentials.
set -euo pipefail

org=${DOCKER_INFLUXDB_INIT_ORG:?}
ids=("$DOCKER_INFLUXDB_INIT_BUCKET_ID")
# The buckets that `anju store setup` will look for; it sets how long each keeps what it holds.
for bucket in ${ANJU_BUCKETS:-}; do
    ids+=("$(influx bucket create --org "$org" --name "$bucket" --hide-headers | cut -f 1)")
done
read=()
for id in "${ids[@]}"; do read+=(--read-bucket "$id"); done
influx v1 auth create --org "$org" --username grafana --password "$(cat /run/secrets/influx_reader_password)" \
    "${read[@]}" >/dev/null
