// Meta alerts: what watches is itself broken. Alertmanager tells people; webhook_actions never hears of them.
function(config)
  local alert = (import 'alert.libsonnet')(config);
  [
    alert.meta(
      'Watchdog',
      'vector(1)',
      summary='Alerts flow',
      problem='Always firing. Where it stops arriving, Prometheus, Alertmanager or the way out is broken.',
      todo='None while it arrives.'
    ),

    // One failing group is enough: while trading is not scraped no alert of a bot can fire, whatever else answers.
    alert.meta(
      'ExporterDown',
      'min(up{%(s)s}) == 0 or absent(up{%(s)s})' % { s: config.exporter_selector },
      summary='The exporter cannot be scraped',
      problem='Prometheus gets no answer from the exporter: no bot is watched.',
      todo="Start the exporter and read its log; see Prometheus's page of targets for the error."
    ),
  ]
