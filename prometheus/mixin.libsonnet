// Nightdesk's rules as a monitoring mixin: `_config` in, `prometheusAlerts` and `prometheusRules` out.
local group(name, rules) = { name: name, rules: [rule for rule in rules if rule != null] };

{
  // The same defaults as everywhere in Nightdesk. `nightdesk render` lays the settings over them; who vendors the
  // mixin lays changes of his own: `mixin + { _config+:: { thresholds+: { critical+: { down_after: '10m' } } } }`.
  _config:: std.parseYaml(importstr '../stack/defaults.yaml') {
    exporter_selector: 'job=~"exporter(-.+)?"',
    dashboard_path: '/d/trading-bot',
  },

  prometheusAlerts+:: {
    groups+: [
      group('trading-bot-critical', (import 'rules/critical.libsonnet')($._config)),
      group('trading-bot-meta', (import 'rules/meta.libsonnet')($._config)),
    ],
  },

  prometheusRules+:: { groups+: [] },
}
