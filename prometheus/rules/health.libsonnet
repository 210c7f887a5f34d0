// Recording rules of health: 1 or 0 for each check of a bot, a host or an endpoint. An unknown check has no series.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';

function(config)
  local promql = (import 'promql.libsonnet')(config);
  local within = text.filler(std.mapWithKey(function(_, limit) duration.seconds(limit), config.health));
  local check(name, expr, of='bot') =
    promql.record(of + '_check:trading_bot_health:bool', within(expr), { check: name });

  [
    // A bot that its owner stopped is neither running nor unhealthy. If the activity is unknown, an answer is enough.
    check('bot_running', text.fill(|||
      (bot:trading_bot_up:max unless on (bot) %s)
      * on (bot) (
        time() - max by (bot) (trading_bot_last_activity_timestamp_seconds) < bool %(active_within)s
        or bot:trading_bot_up:max >= bool 0
      )
    |||, promql.stopped)),
    check('api_connectivity', promql.min_by_bot([
      'bot:trading_bot_response_time_seconds:p50 < bool %(api_latency)s',
      'max by (bot) (trading_bot_error_rate) < bool %(api_error_rate)s',
    ])),
    check('model_loaded', promql.min_by_bot([
      'min by (bot) (trading_bot_model_loaded)',
      'min by (bot) (trading_bot_model_accuracy) > bool %(model_accuracy)s',
    ])),
    check(
      'data_freshness',
      text.fill('max by (bot) (trading_bot_data_freshness_seconds) < bool %(data_age)s unless on (bot) %s', promql.stopped)
    ),
    check('memory_usage', 'max by (bot) (trading_bot_memory_usage_ratio) < bool %(memory_usage)s'),
    check('cpu_usage', 'max by (bot) (trading_bot_cpu_usage_ratio) < bool %(cpu_usage)s'),
    check('disk_space', 'max by (host) (trading_bot_host_disk_usage_ratio) < bool %(disk_usage)s', 'host'),
    check(
      'network_connectivity',
      text.fill('min by (endpoint) (probe_success{%s}) * on (endpoint) (trading_bot_network_latency_seconds < bool %(network_latency)s)', config.probe_selector),
      'endpoint'
    ),
    promql.record('bot:trading_bot_health:min', 'min by (bot) (bot_check:trading_bot_health:bool)'),
  ]
