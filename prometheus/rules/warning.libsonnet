// Warnings: they turn critical, or cost money, if nobody looks within the hour.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';

function(config)
  local alert = (import 'alert.libsonnet')(config);
  local promql = (import 'promql.libsonnet')(config);
  local limits = config.thresholds.warning;
  local scrape = duration.seconds(config.collection.trading.interval);
  local time(limit) = duration.format(limit);

  // A busy host, which restarts no bot, warns under the same name as a busy bot.
  local of_host(name, metric, condition, limit, what) = alert.warning(
    name,
    text.fill('max by (host) (trading_bot_host_%s_usage_ratio) > %(%s_usage)s', [metric, metric]),
    text.fill("host's %s > %s", [what, promql.percent(limit)]),
    subject=['host'],
    labels={ scope: 'host' },
    condition=condition,
    summary=text.fill('%s of {{ $labels.host }} at {{ $value | humanizePercentage }}', what),
    problem=text.fill('%s of the host {{ $labels.host }} is at {{ $value | humanizePercentage }}: every bot on it is late.', what),
    todo='See what uses it; move a bot to another host, or make this one larger.',
    verify=text.fill('trading_bot_host_%s_usage_ratio{$host} <= %(%s_usage)s', [metric, metric])
  );
  local burst = { range: promql.rate_range('logs'), seconds: duration.seconds(self.range) };
  local errors = text.fill('trading_bot_log_events_total{%s}', config.log_error_selector);
  local summed(counter) = text.fill('sum by (bot) (max by (bot, category, event, severity) (%s))', counter);
  local baseline = duration.seconds(limits.error_burst_baseline);

  [
    alert.warning(
      'LowWinRate',
      'bot:trading_bot_win_rate:settled < %(win_rate)s',
      text.fill('win rate < %s, from %s trades', [promql.percent(limits.win_rate), limits.win_rate_trades]),
      summary='{{ $labels.bot }} wins {{ $value | humanizePercentage }} of its trades',
      problem=text.fill('{{ $labels.bot }} wins {{ $value | humanizePercentage }} of its trades; %s% were expected.', (100 * limits.win_rate)),
      todo='Find the symbols, hours and exits that lose; a low win rate is fine if the wins are large.',
      verify='trading_bot_win_rate{$bot} >= %(win_rate)s'
    ),

    alert.warning(
      'ModelDrift',
      |||
        max by (bot, model) (trading_bot_model_drift_score) > %(drift_score)s
        or max by (bot, model) (trading_bot_model_drift_detected) == 1
      |||,
      text.fill('drift flag, or score > %s', limits.drift_score),
      subject=['bot', 'model'],
      summary='{{ $labels.model }} of {{ $labels.bot }} drifts',
      problem='The input of {{ $labels.model }} of {{ $labels.bot }} no longer resembles its training data ({{ $value | printf "%.2f" }}).',
      todo='Retrain it on recent data; see whether the market changed or the data did.',
      // The score is enough to prove that the drift is over; the flag counts too if it is known.
      verify=|||
        (max(trading_bot_model_drift_score{$bot,$model}) <= %(drift_score)s or max(trading_bot_model_drift_detected{$bot,$model}) == 0)
        unless max(trading_bot_model_drift_detected{$bot,$model}) == 1
        unless max(trading_bot_model_drift_score{$bot,$model}) > %(drift_score)s
      |||
    ),

    alert.warning(
      'HighLatency',
      'trading_bot_network_latency_seconds > %(network_latency)s',
      text.fill('probe > %s', time(limits.network_latency)),
      subject=['endpoint'],
      condition='network_latency',
      summary='{{ $labels.endpoint }} answers in {{ $value | humanizeDuration }}',
      problem=text.fill('A probe of {{ $labels.endpoint }} takes {{ $value | humanizeDuration }}, longer than %s.', time(limits.network_latency)),
      todo='Compare with another endpoint, and with the same hour yesterday.',
      verify='trading_bot_network_latency_seconds{$endpoint} <= %(network_latency)s'
    ),

    alert.warning(
      'LowTradingActivity',
      text.fill('(\n%s\n) < %(trades_per_hour)s', promql.trades_per_hour),
      text.fill('trades < %s/h, up for %s', [limits.trades_per_hour, time(limits.trades_per_hour_after)]),
      summary='{{ $labels.bot }} hardly trades',
      problem='{{ $labels.bot }} closes {{ $value | printf "%.2f" }} trades an hour, though it runs.',
      todo='See whether its entry conditions can be met at all: market, balance, symbols, rejected orders in its log.',
      verify='trading_bot_trades_per_hour{$bot} >= %(trades_per_hour)s'
    ),

    alert.warning(
      'HighVolatility',
      'max by (bot, symbol) (trading_bot_market_volatility_ratio) > %(volatility)s',
      text.fill('hourly volatility > %s', promql.percent(limits.volatility)),
      subject=['bot', 'symbol'],
      summary='{{ $labels.symbol }} moves {{ $value | humanizePercentage }} an hour',
      problem='The volatility of {{ $labels.symbol }}, which {{ $labels.bot }} trades, is {{ $value | humanizePercentage }} an hour.',
      todo='See that stops and sizes fit such a market.',
      verify='trading_bot_market_volatility_ratio{$bot,$symbol} <= %(volatility)s'
    ),

    alert.warning(
      'DiskUsageHigh',
      'max by (host, mountpoint) (trading_bot_host_disk_usage_ratio) > %(disk_usage)s',
      text.fill('disk > %s', promql.percent(limits.disk_usage)),
      subject=['host', 'mountpoint'],
      condition='disk_usage',
      summary='{{ $labels.mountpoint }} of {{ $labels.host }} is {{ $value | humanizePercentage }} full',
      problem='{{ $labels.mountpoint }} of {{ $labels.host }} is {{ $value | humanizePercentage }} full.',
      todo='See what grows, and how many days are left.',
      verify='trading_bot_host_disk_usage_ratio{$host,$mountpoint} <= %(disk_usage)s'
    ),

    alert.warning(
      'ApiResponseTimeHigh',
      'bot:trading_bot_response_time_seconds:p95 > %(response_time)s',
      text.fill('p95 > %s', time(limits.response_time)),
      condition='api_response_time',
      summary='The exchange answers {{ $labels.bot }} in {{ $value | humanizeDuration }}',
      problem='One in twenty API calls of {{ $labels.bot }} takes longer than {{ $value | humanizeDuration }}.',
      todo='Compare with other bots on that exchange, and with its other endpoints.',
      verify=text.fill('histogram_quantile(0.95, max by (le) (rate(trading_bot_response_time_seconds_bucket{$bot}[%s]))) <= %(response_time)s', duration.format(2 * scrape))
    ),

    alert.warning(
      'DataStaleWarning',
      text.fill('max by (bot) (trading_bot_data_freshness_seconds) > %(data_age)s unless on (bot) %s', promql.stopped),
      text.fill('market data older than %s', time(limits.data_age)),
      condition='data_stale',
      summary='The market data of {{ $labels.bot }} are {{ $value | humanizeDuration }} old',
      problem='The market data of {{ $labels.bot }} are {{ $value | humanizeDuration }} old' +
              '{{ with query (printf `topk(1, trading_bot_data_freshness_seconds{bot=%q})` $labels.bot) }}' +
              ' (feed {{ . | first | label "feed" }}){{ end }}.',
      todo='See whether the market is open and the feed is up.',
      verify='max(trading_bot_data_freshness_seconds{$bot}) <= %(data_age)s'
    ),

    alert.warning(
      'ModelAccuracyLow',
      'max by (bot, model) (trading_bot_model_accuracy) < %(model_accuracy)s',
      text.fill('accuracy < %s', promql.percent(limits.model_accuracy)),
      subject=['bot', 'model'],
      condition='model_accuracy',
      summary='{{ $labels.model }} of {{ $labels.bot }} is right {{ $value | humanizePercentage }} of the time',
      problem=text.fill('The model {{ $labels.model }} of {{ $labels.bot }} is right {{ $value | humanizePercentage }} of the time; %s% were expected.', (100 * limits.model_accuracy)),
      todo='Compare with its accuracy after training; plan a retraining.',
      verify='trading_bot_model_accuracy{$bot,$model} >= %(model_accuracy)s'
    ),

    alert.warning(
      'MemoryUsageHigh',
      'max by (bot) (trading_bot_memory_usage_ratio) > %(memory_usage)s',
      text.fill("bot's memory > %s", promql.percent(limits.memory_usage)),
      condition='memory_usage',
      summary="{{ $labels.bot }} holds {{ $value | humanizePercentage }} of its host's memory",
      problem="The process of {{ $labels.bot }} holds {{ $value | humanizePercentage }} of its host's memory.",
      todo='Look at how its memory grew since its start.',
      verify='trading_bot_memory_usage_ratio{$bot} <= %(memory_usage)s'
    ),
    of_host('MemoryUsageHigh', 'memory', 'memory_usage', limits.memory_usage, 'memory'),

    alert.warning(
      'CpuUsageHigh',
      'max by (bot) (trading_bot_cpu_usage_ratio) > %(cpu_usage)s',
      text.fill("bot's CPU > %s", promql.percent(limits.cpu_usage)),
      condition='cpu_usage',
      summary='{{ $labels.bot }} uses {{ $value | humanizePercentage }} of a CPU',
      problem='The process of {{ $labels.bot }} is busy {{ $value | humanizePercentage }} of the time.',
      todo='See whether it has more to do than before, or does it more slowly.',
      verify='trading_bot_cpu_usage_ratio{$bot} <= %(cpu_usage)s'
    ),
    of_host('CpuUsageHigh', 'cpu', 'cpu_usage', limits.cpu_usage, 'CPU'),

    alert.warning(
      'LowPredictionConfidence',
      'max by (bot, model) (trading_bot_prediction_confidence) < %(prediction_confidence)s',
      text.fill('confidence < %s', promql.percent(limits.prediction_confidence)),
      subject=['bot', 'model'],
      summary='{{ $labels.model }} of {{ $labels.bot }} is unsure',
      problem='The predictions of {{ $labels.model }} of {{ $labels.bot }} have a confidence of {{ $value | humanizePercentage }}.',
      todo='See whether its input changed; let the bot abstain when it is unsure.',
      verify='trading_bot_prediction_confidence{$bot,$model} >= %(prediction_confidence)s'
    ),

    alert.warning(
      'LowDataQuality',
      'max by (bot, model) (trading_bot_data_quality_score) < %(data_quality)s',
      text.fill('data quality < %s', promql.percent(limits.data_quality)),
      subject=['bot', 'model'],
      summary='{{ $labels.model }} of {{ $labels.bot }} gets poor data',
      problem='The quality of the input of {{ $labels.model }} of {{ $labels.bot }} is {{ $value | humanizePercentage }}.',
      todo='Look at missing values and outliers; see whether a source of data changed.',
      verify='trading_bot_data_quality_score{$bot,$model} >= %(data_quality)s'
    ),

    alert.warning(
      'RiskUtilizationHigh',
      'max by (bot) (trading_bot_risk_utilization_ratio) > %(risk_utilization)s',
      text.fill('risk used > %s', promql.percent(limits.risk_utilization)),
      summary='{{ $labels.bot }} uses {{ $value | humanizePercentage }} of its risk',
      problem='{{ $labels.bot }} has {{ $value | humanizePercentage }} of the money that it may put at risk in open positions.',
      todo='Let it enter nothing more until some are closed.',
      verify='trading_bot_risk_utilization_ratio{$bot} <= %(risk_utilization)s'
    ),

    // The rule compares a bot with its own past, because the cost of a fill depends on the symbols. Both sides need
    // enough fills.
    alert.warning(
      'SlippageHigh',
      |||
        max by (bot, leg) (trading_bot_slippage_mean_basis_points{span="recent"})
        > %(slippage_factor)s * clamp_min(max by (bot, leg) (trading_bot_slippage_mean_basis_points{span="before"}), 0) + %(slippage_margin)s
        and on (bot, leg) max by (bot, leg) (trading_bot_slippage_fills{span="recent"}) >= %(slippage_fills)s
        and on (bot, leg) max by (bot, leg) (trading_bot_slippage_fills{span="before"}) >= %(slippage_fills)s
      |||,
      text.fill('fills of the last %s slip more than %s times those before and %s basis points, from %s fills', [
        time(config.collection.slippage_recent),
        limits.slippage_factor,
        limits.slippage_margin,
        limits.slippage_fills,
      ]),
      subject=['bot', 'leg'],
      summary='The {{ $labels.leg }} fills of {{ $labels.bot }} slip by {{ $value | printf "%.1f" }} basis points',
      problem=text.fill('Orders of {{ $labels.bot }} ({{ $labels.leg }}) were filled {{ $value | printf "%.1f" }} basis points worse than ordered, on average over the last %s', time(config.collection.slippage_recent)) +
              '{{ with query (printf `max(trading_bot_slippage_mean_basis_points{bot=%q,leg=%q,span="before"})` $labels.bot $labels.leg) }}; before that {{ . | first | value | printf "%.1f" }}{{ end }}' +
              '{{ with query (printf `max(trading_bot_slippage_cost{bot=%q,window="day"})` $labels.bot) }}. Slippage cost {{ . | first | value | printf "%.2f" }} today{{ end }}.',
      todo='Compare symbols, hours and order types. Causes: a thin book, larger orders, market orders instead of limit orders, a slow connection.',
      verify='max(trading_bot_slippage_mean_basis_points{$bot,$leg,span="recent"}) <= %(slippage_factor)s * clamp_min(max(trading_bot_slippage_mean_basis_points{$bot,$leg,span="before"}), 0) + %(slippage_margin)s'
    ),

    alert.warning(
      'EdgeFading',
      'max by (bot) (trading_bot_edge_fading) == 1',
      "expectancy or win rate at its limit for half the edge, calibrated by the bot's reference",
      condition='edge',
      summary='The trades of {{ $labels.bot }} earn less than its reference promised',
      problem='The trades of {{ $labels.bot }} are as those of a bot that earns half of what its reference does, or less' + promql.edge + '.',
      todo='Open "Live against backtest": do wins get rarer or smaller, do fees and slippage eat them, is it one symbol?',
      verify='max(trading_bot_edge_fading{$bot}) == 0'
    ),

    // Unknown is never safe: an alert on an unknown loss would wait in vain.
    alert.warning(
      'LimitUnknown',
      |||
        max by (bot, limit, account) (trading_bot_loss_limit_complete) == 0
        and on (bot) bot:trading_bot_up:max == 1
      |||,
      'the bot is up, and the rest of a loss limit is not known for certain',
      subject=['bot', 'limit', 'account'],
      summary='The rest of the loss limit {{ $labels.limit }}{{ if $labels.account }} of account {{ $labels.account }}{{ end }} of {{ $labels.bot }} is not known',
      problem='LossLimit of {{ $labels.bot }} uses the last known figures' +
              '{{ with query (printf `time() - max(trading_bot_loss_limit_known_timestamp_seconds{bot=%q,limit=%q,account=%q})` $labels.bot $labels.limit $labels.account) }} {{ . | first | value | humanizeDuration }} old{{ else }}: there are none{{ end }}.',
      todo='`nightdesk limits` names the missing figure: a bot of the account does not answer or does not report it, or the exporter missed the mark; then write the mark as `known`.',
      verify='max(trading_bot_loss_limit_complete{$bot,$limit,$account}) == 1'
    ),
    alert.warning(
      'LimitUnknown',
      |||
        bot:trading_bot_drawdown_ratio:known
        and on (bot) bot:trading_bot_up:max == 1
        unless on (bot) trading_bot_drawdown_ratio
      |||,
      'the bot is up, but no longer reports the figures of its drawdown',
      labels={ scope: 'drawdown' },
      summary='The drawdown of {{ $labels.bot }} is no longer known',
      problem='{{ $labels.bot }} is up, but reports neither its equity nor its open profit. HighDrawdown and CriticalLoss use its last drawdown, {{ $value | humanizePercentage }}' +
              '{{ with query (printf `time() - bot:trading_bot_drawdown_ratio:known_timestamp_seconds{bot=%q}` $labels.bot) }}, of {{ . | first | value | humanizeDuration }} ago{{ end }}.',
      todo='See whether its exchange is down: then a Freqtrade has no rates. Look at its open positions at the exchange.',
      verify='trading_bot_drawdown_ratio{$bot} >= 0'
    ),

    // The rule compares the window with the time before it; if nothing is known of that time, the count alone
    // decides.
    alert.warning(
      'LogErrorBurst',
      text.fill(|||
        %(now)s >= %(count)s
        unless on (bot) %(now)s <= %(factor)s * %(before)s * %(share)s
      |||, {
        now: summed(promql.grown(errors, burst.range, 'bot', 'trading_bot_up')),
        before: summed(text.fill('increase(%s[%s] offset %s)', [errors, duration.format(baseline), burst.range])),
        count: limits.error_burst_count,
        factor: limits.error_burst_factor,
        share: burst.seconds / baseline,
      }),
      text.fill('%s errors in %s, %s times the usual', [limits.error_burst_count, burst.range, limits.error_burst_factor]),
      summary='{{ $labels.bot }} logs errors by the dozen',
      problem=text.fill('{{ $labels.bot }} logged {{ $value | printf "%.0f" }} errors within %s, far more than before.', burst.range),
      todo='Read the first error of the burst: the others follow from it.',
      verify=text.fill('sum(max by (category, event, severity) (increase(%s[%s]))) < %s', [
        text.fill('trading_bot_log_events_total{$bot,%s}', config.log_error_selector),
        duration.format(2 * duration.seconds(config.collection.logs.interval)),
        limits.error_burst_count * 2 * duration.seconds(config.collection.logs.interval) / burst.seconds,
      ])
    ),

    // If an alert that says the same more precisely fires, or is about to, this one does not.
    alert.warning(
      'HealthUnhealthy',
      text.fill(|||
        bot:trading_bot_health:min == 0
        unless on (bot) ALERTS{alertname=~"TradingBot(%s)"}
      |||, std.join('|', [
        'Down',
        'CrashLooping',
        'LoopHung',
        'ApiErrorRate',
        'ApiResponseTime.+',
        'DataStale.*',
        'ModelAccuracy.+',
        'HighMemoryUsage',
        'HighCpuUsage',
      ])),
      'a health check fails, and no other alert says so',
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
      'an endpoint cannot be reached',
      subject=['endpoint'],
      labels={ scope: 'endpoint' },
      summary='{{ $labels.endpoint }} cannot be reached',
      problem='A probe of {{ $labels.endpoint }} fails: the exchange, or the way to it, is out.',
      todo="Look at the exchange's status page; try it from another network.",
      verify='endpoint_check:trading_bot_health:bool{$endpoint} == 1'
    ),
  ]
