"""The dashboards as code: `build` writes them and Grafana's provisioning files."""
