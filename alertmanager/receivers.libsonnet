// The receivers of alertmanager.yml: webhook_actions, and those of people, which the plan names
// (stack/settings/plan.py).
local web = import '../prometheus/web.libsonnet';

// Alertmanager sends to every webhook_actions and retries each delivery by itself, so one that hangs delays no other,
// and a fingerprint that arrives three times opens one incident. If one address leads to any of them, as in
// Kubernetes, the settings name only that address.
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

// Each recipient has a configuration of its own: a refused or failing recipient costs no other a mail.
local email(config, addresses) = {
  email_configs: [
    {
      smarthost: '%(host)s:%(port)d' % config,
      from: config.from,
      to: address,
      // On port 465 Alertmanager uses TLS from the first byte; there is no STARTTLS to require.
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

// HTML, in which Alertmanager escapes every value, keeps names such as `a_b*c[d]` intact; Markdown would not.
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
      // Slack formats none of our texts, because a name may hold * and _ (an empty list would mean everywhere).
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
  // The receivers of people by name, from the plan. SMS, phone and the rest go through webhook_actions.
  people(settings)::
    local every = { email: email, telegram: telegram, slack: slack };
    std.mapWithKey(
      function(_, one) every[one.channel](settings.channels[one.channel], one.to), settings.plan.receivers
    ),

  // People hear of the end of an alert, but not of information (`-info`) or of a test (`test-`).
  all(settings)::
    local named(receivers, format, send) =
      [{ name: format % name } + resolved(receivers[name], send) for name in std.objectFields(receivers)];
    local people = $.people(settings);
    local desk = { [name]: people[name] for name in std.objectFields(people) if settings.plan.receivers[name].channel == name };
    [
      { name: 'nobody' },
      webhook_actions(settings, 'webhook_actions', 'alerts', true),
      // webhook_actions pings the dead man's switch outside only after it has stored the alert (docs/drill.md).
      webhook_actions(settings, 'watchdog', 'watchdog', false),
    ] +
    named(people, '%s', true) +
    named(people, '%s-info', false) +
    named(desk, 'test-%s', false),
}
