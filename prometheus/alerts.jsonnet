// Every alert that the settings produce, for the table that `nightdesk alerts` prints.
local mixin = (import 'mixin.libsonnet') + { _config+:: std.extVar('settings') };

[
  {
    name: rule.alert,
    severity: rule.labels.severity,
    about: std.join(' ', [
      rule.labels[label]
      for label in ['objective', 'scope', 'category']
      if std.objectHas(rule.labels, label)
    ]),
    limit: rule.limit,
    'for': std.get(rule, 'for', ''),
    actions: rule.tried,
  }
  for group in mixin.prometheusAlerts.groups
  for rule in group.rules
]
