// Meta alerts: Nightdesk itself is broken. Alertmanager notifies people; webhook_actions does not get these alerts.
local text = import '../text.libsonnet';
function(config)
  local alert = (import 'alert.libsonnet')(config);
  local promql = (import 'promql.libsonnet')(config);
  local range = promql.rate_range('system');
  local engine = config.webhook_actions_selector;
  // How many processes of a part do not answer while another does. For the exporter, one that does not answer already
  // fires ExporterDown: no other exporter watches its bots.
  local missing(part, selector) =
    text.fill('label_replace(sum(1 - up{%s}) > 0 and max(up{%s}) == 1, "part", "%s", "", "")', [selector, selector, part]);
  local longest_wait = 60;  // seconds; a message has a minute until the next person is notified
  local not_reloaded(part, name, selector) =
    text.fill('label_replace(min(%s{%s}) == 0, "part", "%s", "", "")', [name, selector, part]);
  local counted(name, selector='') = promql.grown(name + selector, range, 'instance', text.fill('up{%s}', engine));

  [
    alert.meta(
      'Watchdog',
      // When the exporter last answered: webhook_actions refuses an old notification, and pings the outside service
      // only for a new one.
      text.fill('max(timestamp(up{%s} == 1))', config.exporter_selector),
      'always, while the exporter is scraped',
      summary='Alerts flow',
      problem='Always firing. Where it stops arriving, the exporter, Prometheus, Alertmanager, webhook_actions or its database is broken.',
      todo='None while it arrives.'
    ) + { annotations+: { seen_at: '{{ $value | printf "%.3f" }}' } },

    // One failing group is enough: without the trading group no alert of a bot can fire, whatever else answers.
    alert.meta(
      'ExporterDown',
      text.fill('min(up{%(s)s}) == 0 or max(absent(up{%(s)s}))', { s: config.exporter_selector }),
      'the exporter is not scraped',
      summary='The exporter cannot be scraped',
      problem='Prometheus gets no answer from the exporter: no bot is watched.',
      todo="Start the exporter and read its log; see Prometheus's page of targets for the error."
    ),

    alert.meta(
      'SourceUnauthorized',
      'max by (bot) (trading_bot_source_error{reason="auth"}) == 1',
      'a bot refuses our password',
      summary='{{ $labels.bot }} refuses our password',
      problem='{{ $labels.bot }} answers that our token or password is wrong. It may run well; nobody sees it.',
      todo="Write the bot's current secret into the file that its source names. No restart mends this."
    ),

    // Replicas share the work: one running replica is enough.
    alert.meta(
      'WebhookActionsDown',
      text.fill('max(up{%(s)s}) == 0 or max(absent(up{%(s)s}))', { s: engine }),
      'webhook_actions is not scraped',
      summary='webhook_actions is down',
      problem='Nothing acts on alerts and nobody is escalated to. What Alertmanager sends by itself still arrives.',
      todo='Start webhook_actions and read its log; see that its PostgreSQL runs. Watch the bots yourself until then.'
    ),

    alert.meta(
      'ReplicaDown',
      std.join('\nor ', [
        missing('webhook_actions', engine),
        missing('prometheus', config.prometheus_selector),
        missing('alertmanager', config.alertmanager_selector),
      ]),
      'one of several of a part is not scraped',
      summary='{{ $value | printf "%.0f" }} of several {{ $labels.part }} down',
      problem='{{ $value | printf "%.0f" }} of several {{ $labels.part }} do not answer. The others do their work: nothing is lost, and the next to fail may be the last.',
      todo="Start it again; Prometheus's page of targets names it."
    ),

    alert.meta(
      'AlertmanagerNotificationsFailing',
      text.fill('sum by (integration) (increase(alertmanager_notifications_failed_total{%s}[%s])) > 0', [config.alertmanager_selector, range]),
      'Alertmanager cannot send',
      summary='Alertmanager cannot send by {{ $labels.integration }}',
      problem=text.fill('{{ $value | printf "%.0f" }} messages by {{ $labels.integration }} failed within %s.', range),
      todo="Read Alertmanager's log for the reason; try `nightdesk test-notify`."
    ),

    alert.meta(
      'RuleEvaluationFailing',
      text.fill(|||
        sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total{%(s)s}[%(r)s])) > 0
        or sum by (rule_group) (increase(prometheus_rule_group_iterations_missed_total{%(s)s}[%(r)s])) > 0
      |||, { s: config.prometheus_selector, r: range }),
      'a rule fails, or is skipped',
      summary='Rules are not evaluated',
      problem='Rules of {{ $labels.rule_group }} fail or are skipped: their alerts cannot fire.',
      todo="Look at Prometheus's page of rules; a rule that is skipped is too slow.",
      path='/rules'
    ),

    // A start or a reload may drop some notifications, which are sent again seconds later, so only a lasting loss
    // counts. Another Prometheus reports it; with a single Prometheus the Watchdog does, because it stops.
    alert.meta(
      'AlertsDropped',
      text.fill('sum(increase(prometheus_notifications_dropped_total{%s}[%s])) > 0', [config.prometheus_selector, range]),
      'alerts do not reach Alertmanager',
      summary='Alerts do not reach Alertmanager',
      problem=text.fill('Prometheus dropped {{ $value | printf "%.0f" }} notices of alerts within %s: it knows no Alertmanager, or none accepts them. Until they arrive nobody is notified.', range),
      todo="Look at Prometheus's page of status for the Alertmanagers that it knows, and at its log for why they refuse.",
      path='/status'
    ),

    alert.meta(
      'ActionFailed',
      text.fill('sum by (bot, action) (%s) > 0', counted('nightdesk_actions_total', '{outcome=~"failed|retry"}')),
      'an action failed',
      summary='The action {{ $labels.action }}{{ with $labels.bot }} of {{ . }}{{ end }} failed',
      problem='{{ $labels.action }}{{ with $labels.bot }} of {{ . }}{{ end }} failed; the incident says why.',
      todo='Open the incident on the on-call page; do its work by hand.',
      path='/alerts'
    ),

    alert.meta(
      'EngineTaskFailing',
      text.fill('sum by (task) (%s) > 0', counted('nightdesk_task_restarts_total')),
      'a task of the engine failed and restarted',
      summary='The engine restarted {{ $labels.task }}',
      problem='{{ $labels.task }} failed and restarted after a pause, which grows with each failure.',
      todo="Read webhook_actions' log for the reason.",
      path='/alerts'
    ),

    // A call that nobody takes is no failure of Nightdesk: it calls the next person.
    alert.meta(
      'DeliveriesFailing',
      text.fill('sum by (channel) (%s) > 0', counted('nightdesk_deliveries_failed_total', '{reason!="unanswered"}')),
      'messages were given up',
      summary='Messages by {{ $labels.channel }} are not delivered',
      problem='webhook_actions could not deliver {{ $value | printf "%.0f" }} messages by {{ $labels.channel }}, and gave them up.',
      todo="Read the reason on the incident's timeline or in webhook_actions' log; try `nightdesk test-notify`.",
      path='/alerts'
    ),

    alert.meta(
      'DeliveriesWaiting',
      text.fill('max by (channel) (nightdesk_delivery_queue_age_seconds) > %s', longest_wait),
      'a message has waited for its turn for 60s',
      summary='Messages by {{ $labels.channel }} wait',
      problem='The oldest message by {{ $labels.channel }} has waited for its turn for {{ $value | humanizeDuration }}: the service does not accept the ones before it.',
      todo='See whether the service of {{ $labels.channel }} answers, and how fast; other channels are not delayed.',
      path='/alerts'
    ),

    alert.meta(
      'SettingsReloadFailed',
      std.join('\nor ', [
        not_reloaded('webhook_actions', 'nightdesk_config_last_reload_successful', engine),
        not_reloaded('exporter', 'nightdesk_exporter_config_last_reload_successful', config.exporter_selector),
        not_reloaded('alertmanager', 'alertmanager_config_last_reload_successful', config.alertmanager_selector),
        not_reloaded('prometheus', 'prometheus_config_last_reload_successful', config.prometheus_selector),
      ]),
      'settings were changed and could not be read',
      summary='{{ $labels.part }} uses old settings',
      problem='{{ $labels.part }} could not reload its settings: your changes are not in force.',
      todo='Run `nightdesk check`; the log of {{ $labels.part }} names path, value and the way out.',
      path='/alerts'
    ),

    alert.meta(
      'EscalationExhausted',
      text.fill('sum(%s) > 0', counted('nightdesk_escalations_exhausted_total')),
      'everyone was notified and nobody answered',
      summary='Nobody answers',
      problem='Everyone was notified of an incident and nobody acknowledged it. Escalation starts again.',
      todo='Acknowledge it, and find out why it reached nobody.',
      path='/alerts'
    ),
  ]
