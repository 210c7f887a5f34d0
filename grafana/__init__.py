"""The dashboards as code: `build` writes them and what provisions them."""
