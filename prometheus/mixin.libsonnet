// Nightdesk's rules as a monitoring mixin: `_config` in, `prometheusAlerts` and `prometheusRules` out.
local duration = import 'duration.libsonnet';

// A local is evaluated once, a field of an object at each use.
local defaults = std.parseYaml(importstr '../stack/defaults.yaml');

local group(name, rules, interval=null) =
  { name: name, rules: [rule for rule in rules if rule != null] } +
  // The interval is at most Prometheus's look-back, at any speed.
  (if interval == null then {} else { interval: duration.format(std.min(duration.seconds(interval), 120)) });

{
  // The same defaults as everywhere in Nightdesk. `nightdesk render` puts the settings over them; who vendors the
  // mixin puts their own changes over it: `mixin + { _config+:: { thresholds+: { critical+: { down_after: '10m' } } }
  // }`.
  _config:: defaults {
    exporter_selector: 'job=~"exporter(-.+)?"',
    probe_selector: 'job=~"probe-.+"',
    webhook_actions_selector: 'job="webhook_actions"',
    alertmanager_selector: 'job="alertmanager"',
    prometheus_selector: 'job="prometheus"',
    log_error_selector: 'severity=~"error|critical"',
    dashboard_path: '/d/trading-bot',
  },

  prometheusAlerts+:: {
    local positions = (import 'rules/positions.libsonnet')($._config),
    local guard = $._config.collection.guard,
    local evaluation = duration.seconds($._config.collection.evaluation_interval),
    local guard_pace = if guard.enabled then std.min(duration.seconds(guard.interval) / 2, evaluation) else null,
    groups+: [
      group('trading-bot-guard', (import 'rules/guard.libsonnet')($._config) + positions.guard, guard_pace),
      group('trading-bot-critical', (import 'rules/critical.libsonnet')($._config)),
      group('trading-bot-warning', (import 'rules/warning.libsonnet')($._config) + positions.warning),
      group('trading-bot-slo', (import 'rules/slo.libsonnet')($._config)),
      group('trading-bot-info', (import 'rules/info.libsonnet')($._config)),
      group('trading-bot-meta', (import 'rules/meta.libsonnet')($._config)),
    ],
  },

  // Each group stands after the groups that it needs.
  prometheusRules+:: {
    local tracking = $._config.performance.tracking.interval,
    groups+: [
               group('trading-bot-signals', (import 'rules/signals.libsonnet')($._config)),
               group('trading-bot-last-known', (import 'rules/last_known.libsonnet')($._config), $._config.collection.trading.interval),
               group('trading-bot-health', (import 'rules/health.libsonnet')($._config)),
             ] +
             (import 'rules/budget.libsonnet')($._config) +
             [
               group('trading-bot-objectives', (import 'rules/objectives.libsonnet')($._config)),
               group('trading-bot-performance', (import 'rules/performance.libsonnet')($._config), tracking),
               group('trading-bot-milestones', (import 'rules/milestones.libsonnet')($._config), $._config.collection.trading.interval),
               group('trading-bot-fleet', (import 'rules/fleet.libsonnet')($._config)),
             ],
  },
}
