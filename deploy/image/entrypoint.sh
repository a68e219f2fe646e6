#!/bin/sh
# What the gateway's container does before it serves: apply the community. Beside it: let Grafana's own alerts in, and
# prepare the telemetry store.
#
# Neither may keep alarms waiting: a community with a mistake in it leaves the former one in force, and a store that is
# away is prepared as soon as it is there. Both are said in the log. Any other command runs as it is:
#   docker compose exec gateway anju token create …     docker compose run --rm gateway anju doctor …
set -eu

here=$(dirname "$0")
settings=${ANJU_SETTINGS:-/etc/anju/settings.yaml}
community=${ANJU_COMMUNITY_FILE:-/etc/anju-community/community.yaml}
grafana_key=${ANJU_GRAFANA_KEY_FILE:-/etc/anju/secrets/GRAFANA_PUSH_KEY}
again=${ANJU_STORE_RETRY_S:-20}

if [ "${1:-serve}" != serve ]; then
    exec "$@"
fi

say() { echo "anju: $*" >&2; }

if [ ! -r "$settings" ]; then
    say "$settings 无法读取 cannot be read: 先运行 run \`docker compose run --rm init\` first"
    exit 1
fi

if [ -e "$community" ]; then
    if ! anju apply --yes "$community" --settings "$settings"; then
        say "社区配置未应用，沿用原来的 the community was NOT applied, the former one stays in force: $community"
    fi
else
    say "没有社区配置，沿用原来的 no community file, what was applied before stays in force: $community"
fi

(
    # Once it serves: on a small box these would only take the processor away from it.
    until "$here/healthcheck.py" >/dev/null 2>&1; do
        sleep 1
        kill -0 "$$" 2>/dev/null || exit 0 # of this shell, which the gateway takes over
    done
    if [ -r "$grafana_key" ] && ! anju devices key grafana --key-file "$grafana_key" --settings "$settings"; then
        say "Grafana 的告警无法送达 Grafana's own alerts reach nobody: docs/devices/grafana.md"
    fi
    until anju store setup --settings "$settings"; do
        say "时序数据库尚未就绪 the telemetry store is not prepared yet; again in $again s"
        sleep "$again"
        kill -0 "$$" 2>/dev/null || exit 0
    done
) &

exec anju serve --settings "$settings"
