// The receivers of alertmanager.yml: webhook_actions, and those of people, which the plan names (stack/settings/plan.py).
local web = import '../prometheus/web.libsonnet';

// Several webhook_actions are all told: each delivery is retried for itself, so one that hangs delays no other, and a
// fingerprint that is told three times opens one incident. Where one address leads to any of them, as in Kubernetes,
// settings name that address alone.
local webhook_actions(settings, name, path, send_resolved) = {
  local service = settings.services.webhook_actions,
  local asked = web(settings.web),
  name: name,
  webhook_configs: [
    {
      url: '%s://%s:%d/api/v1/%s' % [asked.scheme, each.host, each.port, path],
      send_resolved: send_resolved,
      http_config: { authorization: { credentials_file: settings.webhook_actions.tokens.receive_file } } + asked.trust,
    }
    for each in if std.get(service, 'replicas', []) == [] then [service] else service.replicas
  ],
};

// Each recipient is a configuration of its own: one that is refused, or fails, takes no mail from another.
local email(config, addresses) = {
  email_configs: [
    {
      smarthost: '%(host)s:%(port)d' % config,
      from: config.from,
      to: address,
      // Port 465 speaks TLS from the first byte, as Alertmanager knows, and has no STARTTLS that could be required.
      require_tls: config.starttls && config.port != 465,
      [if config.username != '' then 'auth_username']: config.username,
      [if config.password_file != null then 'auth_password_file']: config.password_file,
      headers: { Subject: '{{ template "nightdesk.subject" . }}' },
      html: '{{ template "nightdesk.email.html" . }}',
      text: '{{ template "nightdesk.text" . }}',
    }
    for address in addresses
  ],
};

// HTML, where Alertmanager escapes every value, keeps names such as `a_b*c[d]` whole; its Markdown would not.
local telegram(config, chats) = {
  telegram_configs: [
    {
      bot_token_file: config.token_file,
      api_url: std.rstripChars(config.api_url, '/'),
      chat_id: std.parseInt(chat),
      parse_mode: 'HTML',
      message: '{{ template "nightdesk.telegram" . }}',
    }
    for chat in chats
  ],
};

local slack(config, channels) = {
  slack_configs: [
    {
      api_url_file: config.url_file,
      channel: channel,
      username: config.username,
      icon_emoji: config.icon,
      color: '{{ template "nightdesk.colour" . }}',
      title: '{{ template "nightdesk.slack.title" . }}',
      title_link: '{{ template "nightdesk.link" . }}',
      text: '{{ template "nightdesk.slack" . }}',
      fallback: '{{ template "nightdesk.subject" . }}',
      // Formatting nowhere that we write, since a name may hold * and _ (an empty list would mean everywhere).
      mrkdwn_in: ['pretext'],
    }
    for channel in channels
  ],
};

local resolved(receiver, send) = {
  [kind]: [config { send_resolved: send } for config in receiver[kind]]
  for kind in std.objectFields(receiver)
};

{
  // By name the receivers of people, as the plan has them. SMS, phone and the rest go through webhook_actions.
  people(settings)::
    local every = { email: email, telegram: telegram, slack: slack };
    std.mapWithKey(
      function(_, one) every[one.channel](settings.channels[one.channel], one.to), settings.plan.receivers
    ),

  // The end of an alert is told, but not that of information (`-info`) or of a test (`test-`).
  all(settings)::
    local named(receivers, format, send) =
      [{ name: format % name } + resolved(receivers[name], send) for name in std.objectFields(receivers)];
    local people = $.people(settings);
    local desk = { [name]: people[name] for name in std.objectFields(people) if settings.plan.receivers[name].channel == name };
    [
      { name: 'nobody' },
      webhook_actions(settings, 'webhook_actions', 'alerts', true),
      // Whose word goes on to the dead man's switch outside only once it is written: docs/drill.md.
      webhook_actions(settings, 'watchdog', 'watchdog', false),
    ] +
    named(people, '%s', true) +
    named(people, '%s-info', false) +
    named(desk, 'test-%s', false),
}
