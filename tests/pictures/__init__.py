"""The pictures of the README: boards, the on-call page and a report, made from the demo (`make pictures`)."""
