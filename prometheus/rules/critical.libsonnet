// Critical alerts: a bot is dead, dying, or losing more than it may.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';
local names = std.parseYaml(importstr '../../stack/names.yaml');

// In a template of Go: the words for the source's error in $reason.
local unread = 'unread_';
local reason_in_words = std.join('', [
  '{{ if eq $reason "' + std.strReplace(name, unread, '') + '" }}' + names[name] + '{{ else }}'
  for name in std.objectFields(names)
  if std.startsWith(name, unread)
]) + '{{ $reason }}' + std.join('', ['{{ end }}' for name in std.objectFields(names) if std.startsWith(name, unread)]);

function(config)
  local alert = (import 'alert.libsonnet')(config);
  local promql = (import 'promql.libsonnet')(config);
  local limits = config.thresholds.critical;
  local scrape = duration.seconds(config.collection.trading.interval);
  local time(limit) = duration.format(limit);

  // If a bot is up in one scrape of four, its start time shows that rarely: four scrapes for each change up to the
  // limit, and one more for both ends, make the window.
  local crash_loop_range = duration.format(std.max(
    duration.seconds(limits.crash_loop_window),
    (4 * limits.crash_loop_restarts + 1) * scrape
  ));

  [
    // `for` restarts with every evaluation without a 0: one success resets the wait, and so does a failed scrape of
    // the exporter, because unknown is not down (ExporterDown reports that). This holds until the alert fires: during
    // keep_firing_for, one more 0 keeps it firing without a wait. So `verify`, not the alert, proves that a restart
    // worked: the alert outlives its cause by keep_firing_for.
    alert.critical(
      'Down',
      'max by (bot) (trading_bot_up) == 0',
      text.fill('no sign of life for %s', time(limits.down_after)),
      wait=duration.seconds(limits.down_after),
      summary='{{ $labels.bot }} shows no sign of life',
      problem=text.fill('No answer from {{ $labels.bot }} for %s', time(limits.down_after)) +
              '{{ with query (printf `trading_bot_source_error{bot=%q} > 0` $labels.bot) }}' +
              '{{ $reason := . | first | label "reason" }} (' + reason_in_words + '){{ end }}.' +
              '{{ with query (printf `trading_bot_source_error{bot=%q,reason="way"} > 0` $labels.bot) }}' +
              ' The connection to it is broken (address, proxy or certificate): the bot itself may run well.{{ end }} Last known:',
      todo='See whether its process runs and what it logged last; look at its open positions at the exchange.',
      verify='trading_bot_up{$bot} == 1'
    ),

    // The rule counts start times, not `up`: a bot that comes up between two crashes never stays down long enough.
    // The window keeps the alert firing after the last crash, and keep_firing_for adds to that: `verify` is true once
    // the starts have left the window.
    alert.critical(
      'CrashLooping',
      text.fill('max by (bot) (changes(trading_bot_start_time_seconds[%s])) >= %s', [crash_loop_range, limits.crash_loop_restarts]),
      text.fill('%s starts in %s', [limits.crash_loop_restarts, crash_loop_range]),
      summary=text.fill('{{ $labels.bot }} started {{ $value }} times within %s', crash_loop_range),
      problem='{{ $labels.bot }} comes up and dies again. Another restart will not cure it.',
      todo='Read its log before each death; undo the last change of its code, strategy or configuration.',
      verify=text.fill('changes(trading_bot_start_time_seconds{$bot}[%s]) < %s', [crash_loop_range, limits.crash_loop_restarts])
    ),

    // A bot that its owner stopped is expected to do nothing.
    alert.critical(
      'LoopHung',
      text.fill(|||
        time() - max by (bot) (trading_bot_last_activity_timestamp_seconds) > %(loop_hung_after)s
        and on (bot) bot:trading_bot_up:max == 1
        unless on (bot) %s
      |||, promql.stopped),
      text.fill('answers, no activity for %s', time(limits.loop_hung_after)),
      summary='{{ $labels.bot }} answers, but its trading loop stands still',
      problem='The trading loop of {{ $labels.bot }} last ran {{ $value | humanizeDuration }} ago.',
      todo='Take a stack dump before it is restarted; look for a call without a time-out and for a full disk.',
      verify='time() - trading_bot_last_activity_timestamp_seconds{$bot} <= %(loop_hung_after)s'
    ),

    alert.critical(
      'HighDrawdown',
      '(max by (bot) (trading_bot_drawdown_ratio) or bot:trading_bot_drawdown_ratio:known) > %(max_drawdown)s',
      text.fill('drawdown > %s', promql.percent(limits.max_drawdown)),
      summary='{{ $labels.bot }} is {{ $value | humanizePercentage }} below its peak',
      problem=text.fill('The drawdown of {{ $labels.bot }} is {{ $value | humanizePercentage }}, its limit %s%.', (100 * limits.max_drawdown)) + promql.if_drawdown_is_old,
      todo='Decide whether its open positions still have a reason; make them smaller or close them.',
      verify='trading_bot_drawdown_ratio{$bot} <= %(max_drawdown)s'
    ),

    // Twice the limit is an outage: Nightdesk restarts nothing, and a person has to know at once, so the rule has no
    // wait.
    alert.critical(
      'ApiErrorRate',
      text.fill('max by (bot) (trading_bot_error_rate) > %s', 2 * limits.error_rate),
      text.fill('errors > %s of API calls', promql.percent(2 * limits.error_rate)),
      labels={ pace: 'at_once' },
      wait=-duration.seconds(config.alerts.ApiErrorRate['for']),
      summary='API errors of {{ $labels.bot }} at {{ $value | humanizePercentage }}: its exchange may be down',
      problem='{{ $value | humanizePercentage }} of the API calls of {{ $labels.bot }} fail.',
      todo="Look at the exchange's status page and at the bot's open positions there: nobody manages them while it is down.",
      verify=text.fill('trading_bot_error_rate{$bot} <= %s', 2 * limits.error_rate)
    ),

    alert.critical(
      'ApiErrorRate',
      |||
        max by (bot) (trading_bot_error_rate) > %(error_rate)s
        unless on (bot) ALERTS{alertname="TradingBotApiErrorRate",alertstate="firing",pace="at_once"}
      |||,
      text.fill('errors > %s of API calls', promql.percent(limits.error_rate)),
      summary='API errors of {{ $labels.bot }} at {{ $value | humanizePercentage }}',
      problem=text.fill('{{ $value | humanizePercentage }} of the API calls of {{ $labels.bot }} fail; its limit is %s%.', (100 * limits.error_rate)),
      todo="Look at the exchange's status page, the rate limits and the API key of the bot.",
      verify='trading_bot_error_rate{$bot} <= %(error_rate)s'
    ),

    // Only the bot's own process counts: a busy host would restart every bot on it.
    alert.critical(
      'HighMemoryUsage',
      'max by (bot) (trading_bot_memory_usage_ratio) > %(memory_usage)s',
      text.fill("bot's memory > %s", promql.percent(limits.memory_usage)),
      condition='memory_usage',
      summary="{{ $labels.bot }} holds {{ $value | humanizePercentage }} of its host's memory",
      problem="The process of {{ $labels.bot }} holds {{ $value | humanizePercentage }} of its host's memory; the system will soon kill it.",
      todo='Look at how its memory grew: a leak comes back after a restart.',
      verify='trading_bot_memory_usage_ratio{$bot} <= %(memory_usage)s'
    ),

    alert.critical(
      'HighCpuUsage',
      'max by (bot) (trading_bot_cpu_usage_ratio) > %(cpu_usage)s',
      text.fill("bot's CPU > %s", promql.percent(limits.cpu_usage)),
      condition='cpu_usage',
      summary='{{ $labels.bot }} uses {{ $value | humanizePercentage }} of a CPU',
      problem='The process of {{ $labels.bot }} is busy {{ $value | humanizePercentage }} of the time: it decides late.',
      todo='See whether it loops or has too much to do: fewer symbols, slower polling, a lighter model.',
      verify='trading_bot_cpu_usage_ratio{$bot} <= %(cpu_usage)s'
    ),

    alert.critical(
      'ApiResponseTimeCritical',
      'bot:trading_bot_response_time_seconds:p95 > %(response_time)s',
      text.fill('p95 > %s', time(limits.response_time)),
      condition='api_response_time',
      summary='The exchange answers {{ $labels.bot }} in {{ $value | humanizeDuration }}',
      problem='One in twenty API calls of {{ $labels.bot }} takes longer than {{ $value | humanizeDuration }}: its orders come late.',
      todo="Compare with other bots on that exchange; look at its status page and at this host's network.",
      verify=text.fill('histogram_quantile(0.95, max by (le) (rate(trading_bot_response_time_seconds_bucket{$bot}[%s]))) <= %(response_time)s', duration.format(2 * scrape))
    ),

    alert.critical(
      'DataStale',
      text.fill('max by (bot) (trading_bot_data_freshness_seconds) > %(data_age)s unless on (bot) %s', promql.stopped),
      text.fill('market data older than %s', time(limits.data_age)),
      condition='data_stale',
      summary='{{ $labels.bot }} decides on data that are {{ $value | humanizeDuration }} old',
      problem='The market data of {{ $labels.bot }} are {{ $value | humanizeDuration }} old' +
              '{{ with query (printf `topk(1, trading_bot_data_freshness_seconds{bot=%q})` $labels.bot) }}' +
              ' (feed {{ . | first | label "feed" }}){{ end }}.',
      todo='See whether the market is open and the feed is up; if it is not, let the bot pause.',
      verify='max(trading_bot_data_freshness_seconds{$bot}) <= %(data_age)s'
    ),

    alert.critical(
      'ModelAccuracyCritical',
      'max by (bot, model) (trading_bot_model_accuracy) < %(model_accuracy)s',
      text.fill('accuracy < %s', promql.percent(limits.model_accuracy)),
      subject=['bot', 'model'],
      condition='model_accuracy',
      summary='{{ $labels.model }} of {{ $labels.bot }} is right {{ $value | humanizePercentage }} of the time',
      problem='The model {{ $labels.model }} of {{ $labels.bot }} is right {{ $value | humanizePercentage }} of the time: no better than a coin.',
      todo='Keep it from entering; retrain it on recent data and test it before it trades again.',
      verify='trading_bot_model_accuracy{$bot,$model} >= %(model_accuracy)s'
    ),

    alert.critical(
      'EdgeGone',
      'max by (bot) (trading_bot_edge_gone) == 1',
      "expectancy or win rate at its limit for no edge, calibrated by the bot's reference",
      condition='edge',
      summary='The trades of {{ $labels.bot }} no longer have an edge',
      problem='The trades of {{ $labels.bot }} are as those of a bot that earns nothing' + promql.edge + '.',
      todo='Stop its entries until you know why: the market, the costs, or a reference that promised too much. Open "Live against backtest".',
      verify='max(trading_bot_edge_gone{$bot}) == 0'
    ),

    alert.critical(
      'NetworkLatencyCritical',
      'trading_bot_network_latency_seconds > %(network_latency)s',
      text.fill('probe > %s', time(limits.network_latency)),
      subject=['endpoint'],
      condition='network_latency',
      summary='{{ $labels.endpoint }} answers in {{ $value | humanizeDuration }}',
      problem='A probe of {{ $labels.endpoint }} takes {{ $value | humanizeDuration }}; every bot that trades there is late.',
      todo="Compare with another endpoint: if all are slow, it is this host's network; if one is slow, it is the exchange.",
      verify='trading_bot_network_latency_seconds{$endpoint} <= %(network_latency)s'
    ),

    alert.critical(
      'DiskUsageCritical',
      'max by (host, mountpoint) (trading_bot_host_disk_usage_ratio) > %(disk_usage)s',
      text.fill('disk > %s', promql.percent(limits.disk_usage)),
      subject=['host', 'mountpoint'],
      condition='disk_usage',
      summary='{{ $labels.mountpoint }} of {{ $labels.host }} is {{ $value | humanizePercentage }} full',
      problem='{{ $labels.mountpoint }} of {{ $labels.host }} is {{ $value | humanizePercentage }} full. Bots that cannot write their state lose it.',
      todo='Make room now: old logs and images first. Then see what grows.',
      verify='trading_bot_host_disk_usage_ratio{$host,$mountpoint} <= %(disk_usage)s'
    ),
  ]
