// Recording rules of health: 1 or 0 for each check of a bot, a host or an endpoint; what is unknown has no check.
local duration = import '../duration.libsonnet';

function(config)
  local promql = (import 'promql.libsonnet')(config);
  local within = std.mapWithKey(function(_, limit) duration.seconds(limit), config.health);
  local check(name, expr, of='bot') =
    promql.record(of + '_check:trading_bot_health:bool', expr % within, { check: name });

  [
    // A bot that its owner stopped is neither running nor unhealthy; where no activity is known, an answer is enough.
    check('bot_running', |||
      (bot:trading_bot_up:max unless on (bot) %s)
      * on (bot) (
        time() - max by (bot) (trading_bot_last_activity_timestamp_seconds) < bool %%(active_within)g
        or bot:trading_bot_up:max >= bool 0
      )
    ||| % promql.stopped),
    check('api_connectivity', promql.min_by_bot([
      'bot:trading_bot_response_time_seconds:p50 < bool %(api_latency)g',
      'max by (bot) (trading_bot_error_rate) < bool %(api_error_rate)g',
    ])),
    check('model_loaded', promql.min_by_bot([
      'min by (bot) (trading_bot_model_loaded)',
      'min by (bot) (trading_bot_model_accuracy) > bool %(model_accuracy)g',
    ])),
    check(
      'data_freshness',
      'max by (bot) (trading_bot_data_freshness_seconds) < bool %%(data_age)g unless on (bot) %s' % promql.stopped
    ),
    check('memory_usage', 'max by (bot) (trading_bot_memory_usage_ratio) < bool %(memory_usage)g'),
    check('cpu_usage', 'max by (bot) (trading_bot_cpu_usage_ratio) < bool %(cpu_usage)g'),
    check('disk_space', 'max by (host) (trading_bot_host_disk_usage_ratio) < bool %(disk_usage)g', 'host'),
    check(
      'network_connectivity',
      'min by (endpoint) (probe_success{%s}) * on (endpoint) (trading_bot_network_latency_seconds < bool %%(network_latency)g)'
      % config.probe_selector,
      'endpoint'
    ),
    promql.record('bot:trading_bot_health:min', 'min by (bot) (bot_check:trading_bot_health:bool)'),
  ]
