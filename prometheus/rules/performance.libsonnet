// Recording rules of performance: the parts of the score, the score, and how each figure compares with its benchmark.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';

function(config)
  local promql = (import 'promql.libsonnet')(config);
  local performance = config.performance;
  local record = promql.record;
  local of_bot(metric) = text.fill('max by (bot) (trading_bot_%s)', metric);

  // Each part is 0 to 1. The capital before the first trade is the equity minus all profit since.
  local parts = {
    win_rate: 'bot:trading_bot_win_rate:settled',
    sharpe_ratio: text.fill('%s / %(sharpe_ratio)s', of_bot('sharpe_ratio')),
    max_drawdown: text.fill('1 - %s / %(max_drawdown)s', of_bot('max_drawdown_ratio')),
    profit_loss: text.fill('0.5 + %(made)s / (2 * %(profit_loss)s * (%(equity)s - %(made)s > 0))', { made: of_bot('profit_loss'), equity: of_bot('equity') }),
    trades_per_hour: text.fill('max by (bot) (%s) / %(trades_per_hour)s', promql.trades_per_hour),
    error_rate: text.fill('1 - %s / %(error_rate)s', of_bot('error_rate')),
    uptime: 'bot:trading_bot_availability:ratio',
  };
  local part(name) = record(
    'bot_part:trading_bot_performance:score',
    text.fill('clamp(%s, 0, 1)', text.filler(performance.scale)(parts[name])),
    { part: name }
  );
  // Unknown parts are left out, with their weights. For a bot that is down only the availability is known, so it has
  // no score.
  local weighted(name) =
    text.fill('bot_part:trading_bot_performance:score{part="%s"} * %s', [name, performance.weights[name]]);
  local weight(name) =
    text.fill('(bot_part:trading_bot_performance:score{part="%s"} >= bool 0) * %s', [name, performance.weights[name]]);
  local sum(term) = text.fill('sum by (bot) (\n  %s\n)', std.join('\n  or ', [term(name) for name in std.objectFields(parts)]));

  local benchmarks = {
    min_win_rate: 'bot:trading_bot_win_rate:settled',
    max_drawdown: of_bot('max_drawdown_ratio'),
    min_sharpe_ratio: of_bot('sharpe_ratio'),
    min_trades_per_day: of_bot('trades_per_day'),
    max_response_time: 'bot:trading_bot_response_time_seconds:p95',
    max_error_rate: of_bot('error_rate'),
    min_uptime: 'bot:trading_bot_availability:ratio',
    max_memory_usage: of_bot('memory_usage_ratio'),
    min_accuracy: 'min by (bot) (trading_bot_model_accuracy)',
    max_drift: of_bot('model_drift_score'),
    min_confidence: 'min by (bot) (trading_bot_prediction_confidence)',
    max_prediction_time: of_bot('prediction_time_seconds'),
  };
  local limit(name) = duration.seconds(performance.benchmarks[name]);
  local compared(name) = [
    // The figure relative to its benchmark: a `min_` benchmark is met at one or more, a `max_` benchmark at one or
    // less.
    record('bot_benchmark:trading_bot_performance:ratio', text.fill('%s / %s', [benchmarks[name], limit(name)]), { benchmark: name }),
    record(
      'bot_benchmark:trading_bot_performance:met',
      text.fill('%s %s bool %s', [benchmarks[name], if std.startsWith(name, 'min_') then '>=' else '<=', limit(name)]),
      { benchmark: name }
    ),
  ];

  (if !performance.tracking.enabled then [] else
     [part(name) for name in std.objectFields(parts)] +
     [record('bot:trading_bot_performance:score', text.fill('%s\n/\n%s\nand on (bot) bot:trading_bot_up:max == 1', [sum(weighted), sum(weight)]))]) +
  (if !performance.benchmark_comparison then [] else std.flatMap(compared, std.objectFields(benchmarks)))
