// Alerts on the service level: a bot misses an objective, or its error budget burns too fast.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';

function(config)
  local alert = (import 'alert.libsonnet')(config);
  local sla = config.sla;
  local severe = { critical: alert.critical, warning: alert.warning };
  local actions(objective) = std.get(sla.actions, objective, sla.actions.default);
  // The alert's text in the objective's terms: the day's figure for a missed objective, the burn rate for a budget.
  local said = {
    availability: 'answers too rarely',
    error_rate: 'has too many failing API calls',
    response_time: 'waits too long for the exchange',
    throughput: 'makes too few API calls',
    data_age: 'has market data that are too old',
    model_accuracy: 'predicts too badly',
  };
  // Throughput is shown; it alerts only if the settings say so.
  local objectives = [name for name in std.objectFields(said) if name != 'throughput' || sla.throughput.alert];
  local todo = 'See on the dashboard when it began, and what changed then.';

  // ApiErrorRate says the same more precisely, so these alerts leave out what it reports, or soon will.
  local said_already(objective) = if objective != 'error_rate' then '' else '\nunless on (bot) ALERTS{alertname=~"TradingBot(ApiErrorRate)"}';

  // A missed scrape is no outage, and for a bot that was seen for a short while it is a large share: so the bot must
  // also have failed to answer for a long time.
  local for_long(objective, window, budget=0) =
    if objective != 'availability' then ''
    else text.fill('\nand on (bot) bot_window:trading_bot_missed:seconds{window="%s"} >= %s', [
      duration.format(window),
      std.max(budget, duration.seconds(sla.missed_minimum)),
    ]);

  local missed(objective) = alert.warning(
    'ObjectiveMissed',
    text.fill('bot_objective:trading_bot_objective:met{objective="%s"} == 0%s%s', [objective, for_long(objective, sla.window), said_already(objective)]),
    'an objective of sla is red',
    subject=['bot', 'objective'],
    labels={ objective: objective },
    tried=actions(objective),
    summary=text.fill('{{ $labels.bot }} misses its objective: it %s', said[objective]),
    problem=text.fill('{{ $labels.bot }} %s: the objective {{ $labels.objective }} is missed.', said[objective]),
    todo=todo,
    verify='bot_objective:trading_bot_objective:met{$bot,$objective} == 1'
  );

  // Two windows: the long one shows that it matters, the short one that it continues.
  local burning(rate, objective) =
    local burn(window) =
      text.fill('bot_objective_window:trading_bot_error_budget:burn{objective="%s",window="%s"}', [objective, duration.format(window)]);
    local budget = rate.factor * (1 - sla.availability) * duration.seconds(rate.long);
    severe[rate.severity](
      'ErrorBudgetBurn',
      text.fill('%s > %s\nand on (bot) %s > %s%s', [burn(rate.long), rate.factor, burn(rate.short), rate.factor, for_long(objective, rate.long, budget) + said_already(objective)]),
      text.fill('burn > %s over %s and %s, for %s', [rate.factor, duration.format(rate.long), duration.format(rate.short), duration.format(rate['for'])]),
      subject=['bot', 'objective'],
      labels={ objective: objective, window: duration.format(rate.long) },
      wait=duration.seconds(rate['for']),
      tried=actions(objective),
      summary=text.fill('{{ $labels.bot }} spends its error budget {{ $value | printf "%.0f" }} times too fast: it %s', said[objective]),
      problem=text.fill('{{ $labels.bot }} %s: the error budget of {{ $labels.objective }} is spent {{ $value | printf "%.1f" }} times too fast over %s.', [said[objective], duration.format(rate.long)]),
      todo=todo,
      verify=text.fill('bot_objective_window:trading_bot_error_budget:burn{$bot,$objective,window="%s"} <= %s', [duration.format(rate.short), rate.factor])
    );

  [missed(objective) for objective in objectives] +
  [
    burning(rate, objective)
    for rate in sla.burn_rates
    for objective in ['availability', 'error_rate', 'response_time']
  ]
