// Recording rules of the service level: 1 or 0 for each objective of a bot, all objectives together, and the share
// that is met.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';

function(config)
  local promql = (import 'promql.libsonnet')(config);
  local sla = config.sla;
  local record = promql.record;
  local met(name, expr) = record('bot_objective:trading_bot_objective:met', expr, { objective: name });
  local window = duration.format(sla.window);
  local kept(name) =
    text.fill('max by (bot) (bot_objective_window:trading_bot_error_budget:burn{objective="%s",window="%s"}) <= bool 1', [name, window]);
  local quantile(name, limit) =
    text.fill('bot:trading_bot_response_time_seconds:%s < bool %s', [name, duration.seconds(limit)]);
  // No bot that trades a few times an hour makes a hundred requests a second: throughput is shown, but counts only if
  // the settings say so.
  local counted = if sla.throughput.alert then '' else '{objective!="throughput"}';

  [
    record(
      'bot:trading_bot_availability:ratio',
      text.fill('1 - max by (bot) (bot_objective_window:trading_bot_error_budget:burn{objective="availability",window="%s"}) * %s', [window, 1 - sla.availability])
    ),
    record('bot:trading_bot_api_requests:peak', text.fill('max_over_time(bot:trading_bot_api_requests:rate[%s])', promql.range(sla.throughput.peak_over))),
    // For a bot that was seen for a short while, one missed scrape is a large share but a short time.
    met('availability', text.fill('max by (bot) (bot_window:trading_bot_missed:seconds{window="%s"}) <= bool %s', [window, (1 - sla.availability) * duration.seconds(sla.window)])),
    met('error_rate', kept('error_rate')),
    met('response_time', promql.min_by_bot([
      quantile('p50', sla.response_time.median),
      quantile('p95', sla.response_time.p95),
      quantile('p99', sla.response_time.p99),
    ])),
    met('throughput', promql.min_by_bot([
      text.fill('bot:trading_bot_api_requests:rate >= bool %s', sla.throughput.average),
      text.fill('bot:trading_bot_api_requests:peak >= bool %s', sla.throughput.peak),
    ])),
    met(
      'data_age',
      text.fill('max by (bot) (trading_bot_data_freshness_seconds) < bool %s unless on (bot) %s', [duration.seconds(sla.data_age), promql.stopped])
    ),
    met('model_accuracy', text.fill('min by (bot) (trading_bot_model_accuracy) > bool %s', sla.model_accuracy)),
    record('bot:trading_bot_objective:all_met', text.fill('min by (bot) (bot_objective:trading_bot_objective:met%s)', counted)),
    record('bot:trading_bot_objective:met_ratio', text.fill('avg by (bot) (bot_objective:trading_bot_objective:met%s)', counted)),
  ]
