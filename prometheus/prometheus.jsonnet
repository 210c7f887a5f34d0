// prometheus.yml and the rule files, from the settings.
local duration = import 'duration.libsonnet';
local settings = std.extVar('settings');
local web = (import 'web.libsonnet')(settings.web);
local mixin = (import 'mixin.libsonnet') + { _config+:: settings };

local services = settings.services;
local address(service) = '%s:%d' % [service.host, service.port];
// Prometheus uses plain HTTP by default.
local by_tls = (if settings.web.tls.enabled then { scheme: web.scheme } else {}) + web.trust;
// All processes of a part, if several run.
local all(service) = if std.get(service, 'replicas', []) == [] then [service] else service.replicas;
local addresses(service) = [address(each) for each in all(service)];
local several = std.length(all(services.prometheus)) > 1;
local groups = { [name]: settings.collection[name] for name in ['trading', 'model', 'market', 'system', 'logs'] };

// As Guard.scrape in stack/settings/model.py: the waits of the guard, the scrape and the evaluation add up.
local guard_pace = 0.75 * settings.collection.guard.interval;
// The stack's own parts and the probes are scraped at the shortest of the displayed intervals.
local own_pace = settings.collection.system.interval;
// /metrics answers from memory: a target that takes longer than Prometheus's default timeout is dead. The timeout
// never exceeds the interval.
local scrape_timeout(interval) = std.min(interval, 10);

local job(name, service, interval=own_pace) = {
  job_name: name,
  scrape_interval: duration.format(interval),
  scrape_timeout: duration.format(scrape_timeout(interval)),
  static_configs: [{ targets: addresses(service) }],
} + by_tls;
local exporter(group, interval, name) = job(name, services.exporter, interval) { params: { 'collect[]': [group] } } + web.user;

local probe(target) = job('probe-' + target.name, services.blackbox_exporter) {
  metrics_path: '/probe',
  params: { module: ['http_2xx'] },
  static_configs: [{ targets: [target.url], labels: { endpoint: target.name } }],
  relabel_configs: [
    { source_labels: ['__address__'], target_label: '__param_target' },
    { source_labels: ['__param_target'], target_label: 'instance' },
    { target_label: '__address__', replacement: address(services.blackbox_exporter) },
  ],
} + web.user;

local authorization(store) =
  if store.password_file == null then {}
  else if store.username == null then { authorization: { credentials_file: store.password_file } }
  else { basic_auth: { username: store.username, password_file: store.password_file } };

// Prometheus does not count retries: it retries until the samples leave its write-ahead log after two hours, so an
// outage loses none. Unsent samples wait in that log, not in memory.
local queue(config, shards) = {
  max_samples_per_send: config.batch_size,
  capacity: 5 * config.batch_size,
  max_shards: shards,
  batch_send_deadline: duration.format(config.flush_interval),
  min_backoff: duration.format(config.retry_delay),
  max_backoff: duration.format(std.max(config.retry_delay, settings.storage.queue.longest_delay)),
};
// Long-term stores do not get the guard's series: the usual series show the same values later.
local sent = {
  write_relabel_configs: [
    { source_labels: ['__name__'], regex: settings.storage.sent, action: 'keep' },
    { source_labels: ['__name__'], regex: 'trading_bot_guard_.+', action: 'drop' },
  ],
};

local influxdb(store) = sent + authorization(store) {
  name: 'influxdb',
  url: '%s/api/v1/prom/write?db=%s' % [std.rstripChars(store.url, '/'), store.database],
  remote_timeout: duration.format(store.timeout),
  queue_config: queue(store, settings.storage.queue.shards),
};

local remote(store) = sent + authorization(store) {
  [if store.name != null then 'name']: store.name,
  url: store.url,
  remote_timeout: duration.format(settings.storage.queue.timeout),
  [if store.tenant != null then 'headers']: { 'X-Scope-OrgID': store.tenant },
  queue_config: queue(settings.storage.queue, settings.storage.queue.shards),
};

// https://docs.newrelic.com/docs/infrastructure/prometheus-integrations/install-configure-remote-write/
local newrelic(account) = sent {
  name: 'newrelic',
  url: '%s?prometheus_server=%s' % [account.metrics_url, account.name],
  authorization: { credentials_file: account.license_key_file },
  remote_timeout: duration.format(settings.storage.queue.timeout),
  queue_config: queue(settings.storage.queue, settings.storage.queue.shards),
};

local prometheus = {
  global: {
    scrape_interval: duration.format(own_pace),
    scrape_timeout: duration.format(scrape_timeout(own_pace)),
    evaluation_interval: duration.format(settings.collection.evaluation_interval),
    // The label tells the replicas' samples apart in a long-term store; the environment names the replica.
    [if several then 'external_labels']: { replica: '${NIGHTDESK_REPLICA}' },
  },
  rule_files: ['rules/*.yml', 'drill/*.yml'],
  alerting: {
    // Alertmanager sees one alert: the same alert of two replicas has one fingerprint.
    [if several then 'alert_relabel_configs']: [{ action: 'labeldrop', regex: 'replica' }],
    alertmanagers: [{ static_configs: [{ targets: addresses(services.alertmanager) }] } + by_tls + web.user],
  },
  scrape_configs:
    [
      exporter(name, groups[name].interval, 'exporter-' + name)
      for name in std.objectFields(groups)
      if groups[name].enabled
    ] + [
    ] + (if settings.collection.guard.enabled then [exporter('guard', guard_pace, 'exporter-guard')] else []) + [
      exporter('exporter', own_pace, 'exporter'),
      // webhook_actions has tokens instead of users.
      job('webhook_actions', services.webhook_actions) {
        authorization: { credentials_file: settings.webhook_actions.tokens.read_file },
      },
      job('alertmanager', services.alertmanager) + web.user,
      job('prometheus', services.prometheus) + web.user,
      // Empty unless a drill runs; its series carry their own `job` label.
      job('drill', services.exporter, 1) { metrics_path: '/drill', honor_labels: true } + web.user,
    ] + [probe(target) for target in settings.collection.probes],
  remote_write:
    [remote(store) for store in settings.storage.remote_write] +
    (if settings.storage.influxdb.enabled then [influxdb(settings.storage.influxdb)] else []) +
    (if settings.integrations.newrelic.enabled then [newrelic(settings.integrations.newrelic)] else []),
};

{ 'prometheus.yml': prometheus } + {
  ['rules/%s.yml' % group.name]: { groups: [group] }
  for group in mixin.prometheusAlerts.groups + mixin.prometheusRules.groups
}
