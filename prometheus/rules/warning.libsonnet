// Warnings: what turns critical, or costs money, if nobody looks at it within the hour.
local duration = import '../duration.libsonnet';

function(config)
  local alert = (import 'alert.libsonnet')(config);
  local promql = (import 'promql.libsonnet')(config);
  local limits = config.thresholds.warning;
  local scrape = duration.seconds(config.collection.trading.interval);
  local time(limit) = duration.format(limit);

  // A busy host, which no bot is restarted for, warns under the same name as a busy bot.
  local of_host(name, metric, condition, limit, what) = alert.warning(
    name,
    'max by (host) (trading_bot_host_%s_usage_ratio) > %%(%s_usage)g' % [metric, metric],
    "host's %s > %s" % [what, promql.percent(limit)],
    subject=['host'],
    labels={ scope: 'host' },
    condition=condition,
    summary='%s of {{ $labels.host }} at {{ $value | humanizePercentage }}' % what,
    problem='%s of the host {{ $labels.host }} is at {{ $value | humanizePercentage }}: every bot on it is late.' % what,
    todo='See what uses it; move a bot to another host, or make this one larger.',
    verify='trading_bot_host_%s_usage_ratio{$host} <= %%(%s_usage)g' % [metric, metric]
  );
  local burst = { range: promql.rate_range('logs'), seconds: duration.seconds(self.range) };
  local errors = 'trading_bot_log_events_total{%s}' % config.log_error_selector;
  local summed(counter) = 'sum by (bot) (max by (bot, category, event, severity) (%s))' % counter;
  local baseline = duration.seconds(limits.error_burst_baseline);

  [
    alert.warning(
      'LowWinRate',
      'bot:trading_bot_win_rate:settled < %(win_rate)g',
      'win rate < %s, from %d trades' % [promql.percent(limits.win_rate), limits.win_rate_trades],
      summary='{{ $labels.bot }} wins {{ $value | humanizePercentage }} of its trades',
      problem='{{ $labels.bot }} wins {{ $value | humanizePercentage }} of its trades; %g%% were expected.' % (100 * limits.win_rate),
      todo='Look at which symbols, hours and exits lose; a low win rate is fine where the wins are large.',
      verify='trading_bot_win_rate{$bot} >= %(win_rate)g'
    ),

    alert.warning(
      'ModelDrift',
      |||
        max by (bot, model) (trading_bot_model_drift_score) > %(drift_score)g
        or max by (bot, model) (trading_bot_model_drift_detected) == 1
      |||,
      'drift flag, or score > %g' % limits.drift_score,
      subject=['bot', 'model'],
      summary='{{ $labels.model }} of {{ $labels.bot }} drifts',
      problem='What {{ $labels.model }} of {{ $labels.bot }} sees is no longer what it was trained on ({{ $value | printf "%.2f" }}).',
      todo='Retrain it on recent data; see whether the market changed or the data did.',
      // A score is enough to say that it is over: whether the flag is down too is part of the question where it is known.
      verify=|||
        (max(trading_bot_model_drift_score{$bot,$model}) <= %(drift_score)g or max(trading_bot_model_drift_detected{$bot,$model}) == 0)
        unless max(trading_bot_model_drift_detected{$bot,$model}) == 1
        unless max(trading_bot_model_drift_score{$bot,$model}) > %(drift_score)g
      |||
    ),

    alert.warning(
      'HighLatency',
      'trading_bot_network_latency_seconds > %(network_latency)g',
      'probe > %s' % time(limits.network_latency),
      subject=['endpoint'],
      condition='network_latency',
      summary='{{ $labels.endpoint }} answers in {{ $value | humanizeDuration }}',
      problem='A probe of {{ $labels.endpoint }} takes {{ $value | humanizeDuration }}, longer than %s.' % time(limits.network_latency),
      todo='Compare with another endpoint, and with the same hour yesterday.',
      verify='trading_bot_network_latency_seconds{$endpoint} <= %(network_latency)g'
    ),

    alert.warning(
      'LowTradingActivity',
      '(\n%s\n) < %%(trades_per_hour)g' % std.rstripChars(promql.trades_per_hour, '\n'),
      'trades < %g/h, up for %s' % [limits.trades_per_hour, time(limits.trades_per_hour_after)],
      summary='{{ $labels.bot }} hardly trades',
      problem='{{ $labels.bot }} closes {{ $value | printf "%.2f" }} trades an hour, though it runs.',
      todo='See whether its entry conditions can be met at all: market, balance, symbols, rejected orders in its log.',
      verify='trading_bot_trades_per_hour{$bot} >= %(trades_per_hour)g'
    ),

    alert.warning(
      'HighVolatility',
      'max by (bot, symbol) (trading_bot_market_volatility_ratio) > %(volatility)g',
      'hourly volatility > %s' % promql.percent(limits.volatility),
      subject=['bot', 'symbol'],
      summary='{{ $labels.symbol }} moves {{ $value | humanizePercentage }} an hour',
      problem='The volatility of {{ $labels.symbol }}, which {{ $labels.bot }} trades, is {{ $value | humanizePercentage }} an hour.',
      todo='See that stops and sizes fit such a market.',
      verify='trading_bot_market_volatility_ratio{$bot,$symbol} <= %(volatility)g'
    ),

    alert.warning(
      'DiskUsageHigh',
      'max by (host, mountpoint) (trading_bot_host_disk_usage_ratio) > %(disk_usage)g',
      'disk > %s' % promql.percent(limits.disk_usage),
      subject=['host', 'mountpoint'],
      condition='disk_usage',
      summary='{{ $labels.mountpoint }} of {{ $labels.host }} is {{ $value | humanizePercentage }} full',
      problem='{{ $labels.mountpoint }} of {{ $labels.host }} is {{ $value | humanizePercentage }} full.',
      todo='See what grows, and how many days are left.',
      verify='trading_bot_host_disk_usage_ratio{$host,$mountpoint} <= %(disk_usage)g'
    ),

    alert.warning(
      'ApiResponseTimeHigh',
      'bot:trading_bot_response_time_seconds:p95 > %(response_time)g',
      'p95 > %s' % time(limits.response_time),
      condition='api_response_time',
      summary='The exchange answers {{ $labels.bot }} in {{ $value | humanizeDuration }}',
      problem='One in twenty API calls of {{ $labels.bot }} takes longer than {{ $value | humanizeDuration }}.',
      todo='Compare with other bots on that exchange, and with its other endpoints.',
      verify='histogram_quantile(0.95, max by (le) (rate(trading_bot_response_time_seconds_bucket{$bot}[%s]))) <= %%(response_time)g'
             % duration.format(2 * scrape)
    ),

    alert.warning(
      'DataStaleWarning',
      'max by (bot) (trading_bot_data_freshness_seconds) > %%(data_age)g unless on (bot) %s' % promql.stopped,
      'market data older than %s' % time(limits.data_age),
      condition='data_stale',
      summary='The market data of {{ $labels.bot }} are {{ $value | humanizeDuration }} old',
      problem='The market data of {{ $labels.bot }} are {{ $value | humanizeDuration }} old' +
              '{{ with query (printf `topk(1, trading_bot_data_freshness_seconds{bot=%q})` $labels.bot) }}' +
              ' (feed {{ . | first | label "feed" }}){{ end }}.',
      todo='See whether the market is open and the feed is up.',
      verify='max(trading_bot_data_freshness_seconds{$bot}) <= %(data_age)g'
    ),

    alert.warning(
      'ModelAccuracyLow',
      'max by (bot, model) (trading_bot_model_accuracy) < %(model_accuracy)g',
      'accuracy < %s' % promql.percent(limits.model_accuracy),
      subject=['bot', 'model'],
      condition='model_accuracy',
      summary='{{ $labels.model }} of {{ $labels.bot }} is right {{ $value | humanizePercentage }} of the time',
      problem='The model {{ $labels.model }} of {{ $labels.bot }} is right {{ $value | humanizePercentage }} of the time; %g%% were expected.' % (100 * limits.model_accuracy),
      todo='Compare with its accuracy after training; plan a retraining.',
      verify='trading_bot_model_accuracy{$bot,$model} >= %(model_accuracy)g'
    ),

    alert.warning(
      'MemoryUsageHigh',
      'max by (bot) (trading_bot_memory_usage_ratio) > %(memory_usage)g',
      "bot's memory > %s" % promql.percent(limits.memory_usage),
      condition='memory_usage',
      summary="{{ $labels.bot }} holds {{ $value | humanizePercentage }} of its host's memory",
      problem="The process of {{ $labels.bot }} holds {{ $value | humanizePercentage }} of its host's memory.",
      todo='Look at how its memory grew since its start.',
      verify='trading_bot_memory_usage_ratio{$bot} <= %(memory_usage)g'
    ),
    of_host('MemoryUsageHigh', 'memory', 'memory_usage', limits.memory_usage, 'memory'),

    alert.warning(
      'CpuUsageHigh',
      'max by (bot) (trading_bot_cpu_usage_ratio) > %(cpu_usage)g',
      "bot's CPU > %s" % promql.percent(limits.cpu_usage),
      condition='cpu_usage',
      summary='{{ $labels.bot }} uses {{ $value | humanizePercentage }} of a CPU',
      problem='The process of {{ $labels.bot }} is busy {{ $value | humanizePercentage }} of the time.',
      todo='See whether it has more to do than before, or does it more slowly.',
      verify='trading_bot_cpu_usage_ratio{$bot} <= %(cpu_usage)g'
    ),
    of_host('CpuUsageHigh', 'cpu', 'cpu_usage', limits.cpu_usage, 'CPU'),

    alert.warning(
      'LowPredictionConfidence',
      'max by (bot, model) (trading_bot_prediction_confidence) < %(prediction_confidence)g',
      'confidence < %s' % promql.percent(limits.prediction_confidence),
      subject=['bot', 'model'],
      summary='{{ $labels.model }} of {{ $labels.bot }} is unsure',
      problem='The predictions of {{ $labels.model }} of {{ $labels.bot }} have a confidence of {{ $value | humanizePercentage }}.',
      todo='See whether its input changed; let the bot abstain where it is unsure.',
      verify='trading_bot_prediction_confidence{$bot,$model} >= %(prediction_confidence)g'
    ),

    alert.warning(
      'LowDataQuality',
      'max by (bot, model) (trading_bot_data_quality_score) < %(data_quality)g',
      'data quality < %s' % promql.percent(limits.data_quality),
      subject=['bot', 'model'],
      summary='{{ $labels.model }} of {{ $labels.bot }} is fed poor data',
      problem='The quality of the input of {{ $labels.model }} of {{ $labels.bot }} is {{ $value | humanizePercentage }}.',
      todo='Look at missing values and outliers; see whether a source of data changed.',
      verify='trading_bot_data_quality_score{$bot,$model} >= %(data_quality)g'
    ),

    alert.warning(
      'RiskUtilizationHigh',
      'max by (bot) (trading_bot_risk_utilization_ratio) > %(risk_utilization)g',
      'risk used > %s' % promql.percent(limits.risk_utilization),
      summary='{{ $labels.bot }} uses {{ $value | humanizePercentage }} of its risk',
      problem='{{ $labels.bot }} has {{ $value | humanizePercentage }} of the money that it may put at risk in open positions.',
      todo='Let it enter nothing more until some are closed.',
      verify='trading_bot_risk_utilization_ratio{$bot} <= %(risk_utilization)g'
    ),

    // Compared with the time before it, of which it is no part; where nothing is known of that, the count alone decides.
    alert.warning(
      'LogErrorBurst',
      |||
        %(now)s >= %(count)d
        unless on (bot) %(now)s <= %(factor)g * %(before)s * %(share)g
      ||| % {
        now: summed(promql.grown(errors, burst.range, 'bot', 'trading_bot_up')),
        before: summed('increase(%s[%s] offset %s)' % [errors, duration.format(baseline), burst.range]),
        count: limits.error_burst_count,
        factor: limits.error_burst_factor,
        share: burst.seconds / baseline,
      },
      '%d errors in %s, %g times the usual' % [limits.error_burst_count, burst.range, limits.error_burst_factor],
      summary='{{ $labels.bot }} logs errors by the dozen',
      problem='{{ $labels.bot }} logged {{ $value | printf "%%.0f" }} errors within %s, far more than before.' % burst.range,
      todo='Read the first error of the burst: the others follow from it.',
      verify='sum(max by (category, event, severity) (increase(%s[%s]))) < %g' % [
        'trading_bot_log_events_total{$bot,%s}' % config.log_error_selector,
        duration.format(2 * duration.seconds(config.collection.logs.interval)),
        limits.error_burst_count * 2 * duration.seconds(config.collection.logs.interval) / burst.seconds,
      ]
    ),

    // Where an alert that says it more precisely fires, or is about to, this one only repeats it.
    alert.warning(
      'HealthUnhealthy',
      |||
        bot:trading_bot_health:min == 0
        unless on (bot) ALERTS{alertname=~"TradingBot(%s)"}
      ||| % std.join('|', [
        'Down',
        'CrashLooping',
        'LoopHung',
        'ApiErrorRate',
        'ApiResponseTime.+',
        'DataStale.*',
        'ModelAccuracy.+',
        'HighMemoryUsage',
        'HighCpuUsage',
      ]),
      'a health check fails, nothing else says it',
      summary='{{ $labels.bot }} is unhealthy',
      problem='{{ $labels.bot }} fails: {{ range query (printf `bot_check:trading_bot_health:bool{bot=%q} == 0` $labels.bot) }}{{ .Labels.check }} {{ end }}',
      todo='Look at what the check measures, on the dashboard.',
      verify='bot:trading_bot_health:min{$bot} == 1'
    ),
    alert.warning(
      'HealthUnhealthy',
      |||
        max by (endpoint) (endpoint_check:trading_bot_health:bool) == 0
        unless on (endpoint) ALERTS{alertname=~"TradingBot(HighLatency|NetworkLatencyCritical)"}
      |||,
      'an endpoint is not reached',
      subject=['endpoint'],
      labels={ scope: 'endpoint' },
      summary='{{ $labels.endpoint }} is not reached',
      problem='A probe of {{ $labels.endpoint }} fails: the exchange, or the way to it, is out.',
      todo="Look at the exchange's status page; try it from another network.",
      verify='endpoint_check:trading_bot_health:bool{$endpoint} == 1'
    ),
  ]
