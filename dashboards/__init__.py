"""The control room's dashboards as code: one definition for Grafana's JSON and for the gateway's own pages."""
