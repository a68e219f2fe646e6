#!/bin/bash
# A user for Grafana who may read telemetry and nothing else: Grafana passes whatever a viewer sends on to its data source,
# with the data source's own credentials. InfluxDB's container runs this once, when it sets itself up; on a box without
# containers: READER_PASSWORD_FILE=/etc/anju/influxdb/reader-password deploy/influxdb/reader.sh
set -euo pipefail

org=${DOCKER_INFLUXDB_INIT_ORG:-anju}
bucket=${DOCKER_INFLUXDB_INIT_BUCKET:-anju}
password=$(cat "${READER_PASSWORD_FILE:-/run/secrets/influx_reader_password}")

# The buckets of `anju store setup`, which goes on from here. They must be there already, because a right is one to a
# bucket; kept as long as gateway/settings.py has it (0: for ever), so that nothing is to be shortened afterwards.
read=()
for wanted in "$bucket=90d" "$bucket/minute=180d" "$bucket/hour=0"; do
    name=${wanted%=*}
    id=$(influx bucket list --org "$org" --name "$name" --hide-headers 2>/dev/null | cut -f 1) || true
    if [ -z "$id" ]; then
        id=$(influx bucket create --org "$org" --name "$name" --retention "${wanted#*=}" --hide-headers | cut -f 1)
    fi
    read+=(--read-bucket "$id")
done
influx v1 auth create --org "$org" --username grafana --password "$password" "${read[@]}" >/dev/null
echo "InfluxDB: the user grafana may read $((${#read[@]} / 2)) buckets, and do nothing else"
