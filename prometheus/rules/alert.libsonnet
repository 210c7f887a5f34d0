// What every alert has: its name, interval, labels, and annotations that tell the whole story.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';
local facts = import 'facts.libsonnet';
local largest = import 'held.libsonnet';

// A cause that comes and goes is one alert, not twenty: the alert keeps firing for its cooldown, but at most for this
// time, so that an incident does not stay open long after its end.
local longest_bridge = 300;

local isUpper(char) = char >= 'A' && char <= 'Z';
local snake(name) =
  local words = std.join('', [if isUpper(char) then '_' + std.asciiLower(char) else char for char in std.stringChars(name)]);
  std.substr(words, 1, std.length(words));

// `$bot`, `$model`, … in a query stand for the alert's label values, quoted for PromQL.
local of_subject(query, subject) = std.foldl(
  function(text, label) std.strReplace(text, '$' + label, label + '={{ printf "%q" $labels.' + label + ' }}'),
  subject,
  query
);

// The locals stand before the object, because the object would evaluate its own locals again for each requested
// field.
function(config)
  local some(value) = value != null && value != '' && value != '0s';
  // Jsonnet evaluates an element of a list once, but a field of an object at each use.
  local present(object) =
    local pairs = [[key, object[key]] for key in std.objectFields(object)];
    { [pair[0]]: pair[1] for pair in pairs if some(pair[1]) };
  local actions(name, severity) =
    local own = config.alerts[name].actions;
    if own == null then config.severities[severity].actions else own;
  local url(service, path) = if config.links[service] == null then null else config.links[service] + path;
  local dashboard(subject) = url(
    'grafana',
    config.dashboard_path + (if std.member(subject, 'bot') then '?var-bot={{ $labels.bot | urlquery }}' else '')
  );
  // `limit` and `tried` are for the table of all alerts and are no part of the rule. `labels` and `annotations`
  // extend the usual ones.
  local alert(severity, name, expr, limit, tried, wait, keep, labels, annotations) =
    local pace = config.alerts[name];
    if !std.get(pace, 'enabled', true) then null else {
      alert: 'TradingBot' + name,
      expr: expr,
      labels: { severity: severity, condition: snake(name) } + labels,
      annotations: present({ runbook_url: url('runbooks', '/TradingBot' + name + '.md') } + annotations),
      limit:: limit,
      tried:: tried,
    } + present({
      'for': duration.format(duration.seconds(pace['for']) + wait),
      keep_firing_for: duration.format(keep(duration.seconds(pace.cooldown))),
    });
  local bridge(cooldown) = std.min(cooldown, longest_bridge);
  // An alert that needs a person or an action. `%(name)s` in the queries is thresholds.<severity>.name (durations in
  // seconds); `wait` is added to the alert's own `for`; `subject` are the labels that `expr` keeps; `labels` tell
  // rules of one name apart; `tried` says what Nightdesk does if the alert's own actions do not; `held` adds the
  // bot's largest positions to the text; `verify` is true once the cause is gone, long before the alert resolves.
  local trouble(severity) =
    local filled = text.filler(std.mapWithKey(function(_, limit) duration.seconds(limit), config.thresholds[severity]));
    function(name, expr, limit, summary, problem, todo, verify, subject=['bot'], condition=snake(name), labels={}, wait=0, tried=null, held=severity == 'critical')
      local ladder = if tried == null then actions(name, severity) else tried;
      local advice = if ladder == [] then '' else 'Nightdesk tries ' + std.join(', then ', ladder) + ', as far as settings allow. ';
      alert(severity, name, filled(expr), limit, ladder, wait, bridge, { condition: condition } + labels, {
        summary: summary,
        description: problem + (if std.member(subject, 'bot') then '\n' + facts + (if held then largest else '') else ''),
        recommended_actions: advice + todo,
        verify: of_subject(filled(verify), subject),
        dashboard_url: dashboard(subject),
      });
  local on_critical = trouble('critical');
  local on_warning = trouble('warning');

  {
    critical:: on_critical,
    warning:: on_warning,

    // News that wakes nobody. The alert keeps firing for `hold` seconds, so that it still fires when its planned time
    // comes.
    info(name, expr, limit, summary, news, todo='', subject=['bot'], labels={}, hold=null)::
      local keep = if hold == null then bridge else function(_) hold + longest_bridge;
      alert('info', name, expr, limit, actions(name, 'info'), 0, keep, labels, {
        summary: summary,
        description: news,
        recommended_actions: todo,
        dashboard_url: dashboard(subject),
      }),

    // Nightdesk itself is broken: the alert starts no action, only notifies people.
    meta(name, expr, limit, summary, problem, todo, path='/targets')::
      alert('meta', name, expr, limit, [], 0, bridge, {}, {
        summary: summary,
        description: problem,
        recommended_actions: todo,
        dashboard_url: url('prometheus', path),
      }),
  }
