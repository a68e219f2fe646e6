"""An existing Grafana is brought to what the control room needs: read, compared, shown, applied."""
