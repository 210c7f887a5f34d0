// Information: summaries at their time, milestones once per crossing, suggestions without actions.
local duration = import '../duration.libsonnet';
local names = std.parseYaml(importstr '../../stack/names.yaml');
local text = import '../text.libsonnet';

function(config)
  local alert = (import 'alert.libsonnet')(config);
  local promql = (import 'promql.libsonnet')(config);

  // News waits for its planned hours, so it must still fire when they begin, also after a night of 25 hours.
  local minutes(time) = 60 * std.parseInt(time[0:2]) + std.parseInt(time[3:5]);
  local hours = config.routing.info_hours;
  local quiet = if hours == null then 0 else (25 * 60 - (minutes(hours.to) - minutes(hours.from))) * 60;

  local fact(name, query, format) =
    name + ': {{ with query ' + query + ' }}{{ . | first | value | ' + format + ' }}{{ else }}unknown{{ end }}';
  // The list is limited: a Telegram message holds 4096 characters.
  local listed = 15;
  // All figures cover the period that ends now, while the exporter says that a report is due. If a bot was not seen
  // at the begin of the period, or is not seen now, its profit is unknown.
  local summary(name, key, usual) = if !config.summaries[key].enabled then null else
    local start = text.fill('max(nightdesk_report_start_timestamp_seconds{period="%s"})', key);
    local of_period(query) = '(printf `' + query + '` $for)';
    local won = '100 * sum(increase(trading_bot_trades_total{outcome="won"}[%[1]s])) / (sum(increase(trading_bot_trades_total[%[1]s])) > 0)';
    local made = 'max by (bot) (trading_bot_pnl{window="total"}) - max by (bot) (trading_bot_pnl{window="total"} offset %[1]s)';
    alert.info(
      name,
      text.fill('max(nightdesk_report_due{period="%s"}) == 1', key),
      text.fill('at its time: summaries.%s', key),
      subject=[],
      summary=text.fill('The bots, %s summary', key),
      news=text.fill('{{ $for := "%s" }}{{ with query `time() - %s` }}{{ $for = . | first | value | printf "%.0fs" }}{{ end }}', [usual, start]) +
           std.join('\n', [
             text.fill('Period: {{ with query `%s` }}from {{ . | first | value | humanizeTimestamp }}{{ else }}the last %s{{ end }}', [start, usual]),
             'Status: {{ with query `count(ALERTS{alertstate="firing",severity=~"critical|warning",drill=""})` }}' +
             '{{ . | first | value | printf "%.0f" }} alerts fire{{ else }}no alert fires{{ end }}',
             fact('Bots up', '`fleet:trading_bot_up:sum`', 'printf "%.0f"') + ' of ' +
             '{{ with query `fleet:trading_bot_up:count` }}{{ . | first | value | printf "%.0f" }}{{ else }}unknown{{ end }}',
             fact('Deals', of_period('sum(increase(bot:trading_bot_trades:sum[%[1]s]))'), 'printf "%.0f"'),
             fact('Win rate', of_period(won), 'printf "%.1f%%"'),
             text.fill('{{ range query (printf `topk(%s, ' + made + ')` $for) }}', listed) +
             '{{ .Labels.bot }}: ' + names.pnl_closed + ' {{ .Value | printf "%.2f" }}' +
             '{{ with query (printf `max(trading_bot_sharpe_ratio{bot=%q})` .Labels.bot) }}, Sharpe {{ . | first | value | printf "%.2f" }}{{ end }}\n' +
             '{{ end }}' +
             text.fill('{{ range query (printf `topk(%s, bot:trading_bot_up:max unless on (bot) (' + made + '))` $for) }}{{ .Labels.bot }}: ' + names.pnl_closed + ' unknown\n{{ end }}', listed),
           ]),
    );

  local suggestion(name, condition, expr, says) =
    local one = config.suggestions[name];
    alert.info(
      'Suggestion',
      text.filler({ limit: one.limit })(expr),
      text.fill(says, one.limit),
      labels={ category: one.category, priority: one.priority, condition: condition, kind: 'suggestion' },
      summary=text.fill('{{ $labels.bot }}: %s (%s)', [std.strReplace(one.action, '_', ' '), one.priority]),
      news=text.fill('{{ $labels.bot }}: %s, now {{ $value | printf "%.3g" }}.', text.fill(says, one.limit)),
      todo=text.fill('Think about %s. Nightdesk only proposes it.', one.action)
    );
  // A suggestion has the condition of the more urgent alert that says the same; that alert silences it.
  local suggestions = if !config.performance.suggestions then [] else [
    suggestion('win_rate', 'low_win_rate', 'bot:trading_bot_win_rate:settled < %(limit)s', 'win rate < %s'),
    suggestion('drawdown', 'high_drawdown', 'max by (bot) (trading_bot_drawdown_ratio) > %(limit)s', 'drawdown > %s'),
    suggestion('error_rate', 'api_error_rate', 'max by (bot) (trading_bot_error_rate) > %(limit)s', 'error rate > %s'),
    suggestion(
      'trades_per_hour',
      'low_trading_activity',
      text.fill('(\n%s\n) < %(limit)s', promql.trades_per_hour),
      'trades per hour < %s'
    ),
  ];

  // The value was seen below the mark and never above it: a bot that was above when Nightdesk first saw it crosses
  // nothing.
  local step = duration.format(2 * duration.seconds(config.collection.trading.interval));
  local rearm = duration.format(config.milestones.rearm);
  [
    summary('DailySummary', 'daily', '1d'),
    summary('WeeklySummary', 'weekly', '7d'),
    summary('MonthlySummary', 'monthly', '30d'),
    alert.info(
      'MilestoneReached',
      text.fill(|||
        bot_milestone:trading_bot_milestone:progress >= 1
        and max_over_time(bot_milestone:trading_bot_milestone:progress[%s] offset %s) < 1
      |||, [rearm, step]),
      'the bot reached a milestone',
      subject=['bot', 'milestone'],
      hold=quiet,
      summary='{{ $labels.bot }} reached a milestone: {{ $labels.milestone }}',
      news='{{ $labels.bot }} reached {{ $labels.milestone }}{{ if match "_pnl$" $labels.milestone }}, by closed trades{{ end }}.\n' + (import 'facts.libsonnet')
    ),
  ] + suggestions
