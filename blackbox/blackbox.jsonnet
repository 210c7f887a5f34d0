// blackbox.yml: how an exchange's endpoint is asked whether, and how fast, it answers.
local duration = import '../prometheus/duration.libsonnet';
local settings = std.extVar('settings');

{
  'blackbox.yml': {
    modules: {
      http_2xx: { prober: 'http', timeout: duration.format(settings.collection.timeout), http: { preferred_ip_protocol: 'ip4' } },
    },
  },
}
