// alertmanager.yml: when people are notified of alerts, and the settings that the templates show. settings.plan,
// which stack/settings/plan.py decides, says who is notified.
local duration = import '../prometheus/duration.libsonnet';
local intervals = import 'intervals.libsonnet';
local owners = import 'owners.libsonnet';
local receivers = import 'receivers.libsonnet';
local settings = std.extVar('settings');
local mixin = (import '../prometheus/mixin.libsonnet') + { _config+:: settings };

local routing = settings.routing;
// Each is a local, because every call would build a function's object again.
local quiet = intervals(settings);
local owned = owners(settings);
local of_nobody = quiet.of_bot(null);
local word(rule) = rule.alert[std.length('TradingBot'):];
// Severity and name of each alert; rules may share a name, and a route matches the name only.
local rules = std.set([
  [rule.labels.severity, word(rule)]
  for group in mixin.prometheusAlerts.groups
  for rule in group.rules
]);
local plan = settings.plan;
local channels = [name for name in std.objectFields(plan.receivers) if plan.receivers[name].channel == name];

// The routes below a severity's route: bots of other teams, and nobody while everything is in maintenance or `held`.
local to(receiver, suffix='', held=[]) = {
  receiver: receiver + suffix,
  continue: true,
  routes: [route { receiver+: suffix } for route in owned.routes(receiver, held)],
} + quiet.muted(of_nobody + held);

local matching(operator, names) = 'alertname%s"%s"' % [operator, std.join('|', ['TradingBot' + name for name in names])];

// One message lists one alert of many bots. Alertmanager sends nothing more about the alert for its cooldown, even if
// the alert ends and begins again. For a critical alert this time is shorter, because the next bot's alert may not
// wait; the rule itself keeps firing over a flap. Alertmanager repeats only on its ticks, so one repeat is five ticks:
// then it is never much too late.
local paced(cooldown, severity) = if cooldown <= routing.group_interval then {} else {
  [if severity != 'critical' then 'group_interval']: duration.format(cooldown),
  repeat_interval: duration.format(std.max(routing.repeat_interval, 5 * cooldown)),
};

// Money alerts do not wait: the first bot's message leaves at once, and the next one has the losses of others since
// then.
local money = ['CriticalLoss', 'LossLimit', 'LiquidationNear'];
local at_once = { group_wait: '0s', group_interval: duration.format(std.max(routing.group_wait.critical, 1)) };

// Routes to a channel for the alerts of one severity that use it, a route for each cooldown; and one for alerts of
// foreign rules, which get the severity's defaults.
local to_channel(channel, severity, suffix='', extra={}) =
  local held = quiet.of_severity(severity);
  local ours = [rule[1] for rule in rules if rule[0] == severity];
  local wanted = [name for name in ours if std.member(plan.channels[severity][name], channel)];
  // A route for each cooldown, and another one for money alerts.
  local pace(name) = [settings.alerts[name].cooldown, if std.member(money, name) then 1 else 0];
  local ways = std.set([pace(name) for name in wanted]);
  [
    to(channel, suffix, held) + paced(way[0], severity) + (if way[1] == 1 then at_once else {}) + extra {
      matchers: [matching('=~', [name for name in wanted if pace(name) == way])],
    }
    for way in ways
  ] + (if !std.member(plan.foreign[severity], channel) then [] else [
         to(channel, suffix, held) + extra + (if ours == [] then {} else { matchers: [matching('!~', ours)] }),
       ]);

local by_bot = ['alertname', 'bot', 'host', 'endpoint'];
local severity(name, suffix='', extra={}) = {
  receiver: 'webhook_actions',
  matchers: ['severity="%s"' % name],
  group_wait: duration.format(routing.group_wait[name]),
  local acting = { group_by: by_bot } + (if name == 'critical' then { group_wait: '0s' } else {}),
  routes: [to('webhook_actions') + acting] + std.flatMap(
    function(channel) to_channel(channel, name, suffix, extra), channels
  ),
};

// Without webhook_actions, because these alerts may say that it is broken.
local meta = {
  receiver: 'nobody',
  matchers: ['severity="meta"'],
  group_wait: duration.format(routing.group_wait.critical),
  routes: std.flatMap(function(channel) to_channel(channel, 'meta'), channels),
};

local watchdog = {
  receiver: 'watchdog',
  matchers: ['alertname="TradingBotWatchdog"'],
  group_wait: '0s',
  group_interval: duration.format(routing.watchdog_interval / 5),
  repeat_interval: duration.format(routing.watchdog_interval),
};

// `nightdesk test-notify`: each test is its own group, so it waits for no earlier test.
local test = {
  receiver: 'nobody',
  matchers: ['alertname="TradingBotTestNotification"'],
  group_by: ['...'],
  group_wait: '0s',
  routes: [{ receiver: 'test-' + channel, matchers: ['channel="%s"' % channel] } for channel in channels],
};

// A loss comes from positions, not from silence, so Down does not inhibit it; and the action against Down does not
// help against a crash loop.
local not_from_down = ['Down', 'CrashLooping', 'HighDrawdown', 'CriticalLoss', 'LossLimit'];
// Labels that say what an alert is about; if both alerts lack a label, it counts as equal.
// A drill never inhibits a real alert, nor the other way round.
local subject = ['drill', 'bot', 'symbol', 'model', 'host', 'mountpoint', 'endpoint', 'objective'];
// Alerts that say more precisely why an objective is missed or its budget burns; only an alert of the same severity
// inhibits. The rules do this for the error rate, because ApiErrorRate takes as long to fire.
local precise = {
  availability: { critical: ['CrashLooping'] },  // beside Down, which silences more
  response_time: { critical: ['ApiResponseTimeCritical'], warning: ['ApiResponseTimeHigh'] },
  data_age: { critical: ['DataStale'], warning: ['DataStaleWarning'] },
};
local instead_of(sources, targets, objective) = {
  source_matchers: [matching('=~', sources)],
  target_matchers: [matching('=~', targets), 'objective="%s"' % objective],
  equal: ['bot', 'drill'],
};
local instead_of_objectives = std.flatMap(
  function(objective)
    [instead_of(precise[objective].critical, ['ErrorBudgetBurn', 'ObjectiveMissed'], objective)] +
    (if std.objectHas(precise[objective], 'warning') then [instead_of(precise[objective].warning, ['ObjectiveMissed'], objective)] else []),
  std.objectFields(precise)
) + [{
  source_matchers: [matching('=~', ['ErrorBudgetBurn'])],
  target_matchers: [matching('=~', ['ObjectiveMissed'])],
  equal: ['bot', 'objective', 'drill'],
}];
local outweighs(source, targets) = {
  source_matchers: ['severity="%s"' % source, 'condition!=""'],
  target_matchers: ['severity=~"%s"' % targets],
  equal: ['condition'] + subject,
};

{
  'alertmanager.yml': {
    templates: ['templates/*.tmpl'],
    route: {
      receiver: 'nobody',
      group_by: ['alertname', 'drill'],
      group_interval: duration.format(routing.group_interval),
      repeat_interval: duration.format(routing.repeat_interval),
      routes: [test, watchdog, severity('critical'), severity('warning'), severity('info', '-info', quiet.info), meta],
    },
    inhibit_rules: [
      {
        source_matchers: ['alertname="TradingBotDown"'],
        target_matchers: [
          'severity=~"critical|warning"',
          matching('!~', not_from_down),
        ],
        equal: ['bot', 'drill'],
      },
      outweighs('critical', 'warning|info'),
      outweighs('warning', 'info'),
    ] + instead_of_objectives,
    [if quiet.all != [] then 'time_intervals']: quiet.all,
    receivers: receivers.all(settings),
  },
  'templates/settings.tmpl': (import 'settings_tmpl.libsonnet')(settings),
}
