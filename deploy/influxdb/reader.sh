#!/bin/bash
# A user for Grafana who may read telemetry and nothing else: Grafana passes whatever a viewer sends on to its data source,
# with the data source's own credentials. InfluxDB's container runs this once, when it sets itself up; on a box without
# containers: READER_PASSWORD_FILE=/etc/anju/influxdb/reader-password deploy/influxdb/reader.sh
set -euo pipefail

org=${DOCKER_INFLUXDB_INIT_ORG:-anju}
password=${READER_PASSWORD_FILE:-/run/secrets/influx_reader_password}

read=()
for bucket in "${DOCKER_INFLUXDB_INIT_BUCKET:-anju}" ${ANJU_BUCKETS:-}; do
    # Those that `anju store setup` will look for, which then says how long each keeps what it holds.
    id=$(influx bucket list --org "$org" --name "$bucket" --hide-headers 2>/dev/null | cut -f 1)
    if [ -z "$id" ]; then
        id=$(influx bucket create --org "$org" --name "$bucket" --hide-headers | cut -f 1)
    fi
    read+=(--read-bucket "$id")
done
influx v1 auth create --org "$org" --username grafana --password "$(cat "$password")" "${read[@]}" >/dev/null
echo "InfluxDB: the user grafana may read $((${#read[@]} / 2)) buckets, and do nothing else"
