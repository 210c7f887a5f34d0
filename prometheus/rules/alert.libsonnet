// What every alert has: its name, its pace from the settings, its labels, and annotations that tell the whole story.
local duration = import '../duration.libsonnet';
local facts = import 'facts.libsonnet';

// A cause that comes and goes is one alert, not twenty: it stays up for its cooldown, but never longer than this,
// so that an incident does not stay open long after its end.
local longest_bridge = 300;

local isUpper(char) = char >= 'A' && char <= 'Z';
local snake(name) = std.lstripChars(
  std.join('', [if isUpper(char) then '_' + std.asciiLower(char) else char for char in std.stringChars(name)]), '_'
);

function(config) {
  local some(value) = value != null && value != '' && value != '0s',
  local present(object) = { [key]: object[key] for key in std.objectFields(object) if some(object[key]) },
  local actions(name, severity) =
    local own = config.alerts[name].actions;
    if own == null then config.severities[severity].actions else own,
  local advice(name, severity, todo) =
    local tried = actions(name, severity);
    (if tried == [] then '' else 'Nightdesk tries %s, as far as settings allow. ' % std.join(', then ', tried)) + todo,
  local url(service, path) = if config.links[service] == null then null else config.links[service] + path,
  // `{$bot}` in a query is the bot that the alert is about, quoted as PromQL wants it whatever its name holds.
  local of_bot(query) = std.strReplace(query, '$bot', 'bot={{ printf "%q" $labels.bot }}'),

  local alert(severity, name, expr, wait, annotations) =
    local pace = config.alerts[name];
    if !std.get(pace, 'enabled', true) then null else {
      alert: 'TradingBot' + name,
      expr: expr,
      labels: { severity: severity, condition: snake(name) },
      annotations: present({ runbook_url: '%s/TradingBot%s.md' % [std.rstripChars(config.links.runbooks, '/'), name] } + annotations),
    } + present({
      'for': duration.format(duration.seconds(pace['for']) + wait),
      keep_firing_for: duration.format(std.min(duration.seconds(pace.cooldown), longest_bridge)),
    }),

  // A bot needs someone now. `%(name)s` in the texts is thresholds.critical.name (durations in seconds); `wait` is
  // added to the alert's own `for`; `verify` holds once the cause is gone, long before the alert itself resolves.
  critical(name, expr, summary, problem, todo, verify, wait=0)::
    local limits = std.mapWithKey(function(_, limit) duration.seconds(limit), config.thresholds.critical);
    alert('critical', name, expr % limits, wait, {
      summary: summary,
      description: problem + '\n' + facts,
      recommended_actions: advice(name, 'critical', todo),
      verify: of_bot(verify % limits),
      dashboard_url: url('grafana', config.dashboard_path + '?var-bot={{ $labels.bot | urlquery }}'),
    }),

  // What watches is itself broken: nothing acts on it, people are told.
  meta(name, expr, summary, problem, todo)::
    alert('meta', name, expr, 0, {
      summary: summary,
      description: problem,
      recommended_actions: todo,
      dashboard_url: url('prometheus', '/targets'),
    }),
}
