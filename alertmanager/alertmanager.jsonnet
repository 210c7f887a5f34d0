// alertmanager.yml: who hears of which alert, at which pace; and the settings that the templates speak of.
local duration = import '../prometheus/duration.libsonnet';
local receivers = import 'receivers.libsonnet';
local settings = std.extVar('settings');
local mixin = (import '../prometheus/mixin.libsonnet') + { _config+:: settings };

local routing = settings.routing;
local rules = [rule for group in mixin.prometheusAlerts.groups for rule in group.rules];
local pace_of(rule) = settings.alerts[rule.alert[std.length('TradingBot'):]];
local channels = std.objectFields(receivers.channels(settings, true));

// A route to a channel for the alerts of one severity that want it; its default holds for alerts of foreign rules.
local to_channel(channel, severity, defaults) =
  local own(rule) = local set = pace_of(rule).channels; if set == null then defaults else set;
  local by_default = std.member(defaults, channel);
  local unlike = std.set([
    rule.alert
    for rule in rules
    if rule.labels.severity == severity && std.member(own(rule), channel) != by_default
  ]);
  local names = '"%s"' % std.join('|', unlike);
  local route = { receiver: channel, continue: true };
  if unlike == [] && by_default then [route]
  else if unlike == [] then []
  else [route { matchers: ['alertname%s' % (if by_default then '!~' + names else '=~' + names)] }];

local to_channels(severity, defaults) = std.flatMap(function(channel) to_channel(channel, severity, defaults), channels);

local severity(name) = {
  receiver: 'webhook_actions',
  matchers: ['severity="%s"' % name],
  group_wait: duration.format(routing.group_wait[name]),
  routes: [{ receiver: 'webhook_actions', continue: true }] + to_channels(name, settings.severities[name].channels),
};

// Without webhook_actions: that is among what these alerts say is broken.
local meta = {
  receiver: 'nobody',
  matchers: ['severity="meta"'],
  group_wait: duration.format(routing.group_wait.critical),
  routes: to_channels('meta', []),
};

// Alertmanager repeats on its ticks only, so five of them make a repeat that is never much too late.
local watchdog = if routing.watchdog_url_file == null then [] else [{
  receiver: 'watchdog',
  matchers: ['alertname="TradingBotWatchdog"'],
  group_wait: '0s',
  group_interval: duration.format(routing.watchdog_interval / 5),
  repeat_interval: duration.format(routing.watchdog_interval),
}];

// `nightdesk test-notify`: each test is a group of its own, so that none waits for one before it.
local test = {
  receiver: 'nobody',
  matchers: ['alertname="TradingBotTestNotification"'],
  group_by: ['...'],
  group_wait: '0s',
  routes: [{ receiver: 'test-' + channel, matchers: ['channel="%s"' % channel] } for channel in channels],
};

// Money is lost by positions, not by silence; and what loops is not cured by what cures what is down.
local not_from_down = ['Down', 'CrashLooping', 'HighDrawdown', 'CriticalLoss', 'LossLimit'];

{
  'alertmanager.yml': {
    templates: ['templates/*.tmpl'],
    route: {
      receiver: 'nobody',
      group_by: ['alertname', 'bot'],
      group_interval: duration.format(routing.group_interval),
      repeat_interval: duration.format(routing.repeat_interval),
      routes: [test] + watchdog + [severity(name) for name in ['critical', 'warning', 'info']] + [meta],
    },
    inhibit_rules: [{
      source_matchers: ['alertname="TradingBotDown"'],
      target_matchers: [
        'severity=~"critical|warning"',
        'alertname!~"%s"' % std.join('|', ['TradingBot' + name for name in not_from_down]),
      ],
      equal: ['bot'],
    }],
    receivers: receivers.all(settings),
  },
  'templates/settings.tmpl': (import 'settings_tmpl.libsonnet')(settings),
}
