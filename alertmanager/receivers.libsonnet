// The receivers of alertmanager.yml: webhook_actions, and each channel that is set and that Alertmanager itself sends.
local web = import '../prometheus/web.libsonnet';
local owners = import 'owners.libsonnet';

// Several webhook_actions are all told: each delivery is retried for itself, so one that hangs delays no other, and a
// fingerprint that is told three times opens one incident. Where one address leads to any of them, as in Kubernetes,
// settings name that address alone.
local webhook_actions(settings) = {
  local service = settings.services.webhook_actions,
  local asked = web(settings.web),
  name: 'webhook_actions',
  webhook_configs: [
    {
      url: '%s://%s:%d/api/v1/alerts' % [asked.scheme, each.host, each.port],
      send_resolved: true,
      http_config: { authorization: { credentials_file: settings.webhook_actions.tokens.receive_file } } + asked.trust,
    }
    for each in if std.get(service, 'replicas', []) == [] then [service] else service.replicas
  ],
};

local email(config) = if config.to == [] then {} else {
  email_configs: [{
    smarthost: '%(host)s:%(port)d' % config,
    from: config.from,
    to: std.join(', ', config.to),
    require_tls: config.starttls,
    [if config.username != '' then 'auth_username']: config.username,
    [if config.password_file != null then 'auth_password_file']: config.password_file,
    headers: { Subject: '{{ template "nightdesk.subject" . }}' },
    html: '{{ template "nightdesk.email.html" . }}',
    text: '{{ template "nightdesk.text" . }}',
  }],
};

// HTML, where Alertmanager escapes every value, keeps names such as `a_b*c[d]` whole; its Markdown would not.
// `@channel` chats are webhook_actions' own: Alertmanager takes numbers only.
local telegram(config) =
  local chats = [chat for chat in config.chats if std.isNumber(chat)];
  if chats == [] then {} else {
    telegram_configs: [
      {
        bot_token_file: config.token_file,
        api_url: std.rstripChars(config.api_url, '/'),
        chat_id: chat,
        parse_mode: 'HTML',
        message: '{{ template "nightdesk.telegram" . }}',
      }
      for chat in chats
    ],
  };

local slack(config) = {
  slack_configs: [{
    api_url_file: config.url_file,
    channel: config.channel,
    username: config.username,
    icon_emoji: config.icon,
    color: '{{ template "nightdesk.colour" . }}',
    title: '{{ template "nightdesk.slack.title" . }}',
    title_link: '{{ template "nightdesk.link" . }}',
    text: '{{ template "nightdesk.slack" . }}',
    fallback: '{{ template "nightdesk.subject" . }}',
    // Formatting nowhere that we write, since a name may hold * and _ (an empty list would mean everywhere).
    mrkdwn_in: ['pretext'],
  }],
};

local resolved(receiver, send) = {
  [kind]: [config { send_resolved: send } for config in receiver[kind]]
  for kind in std.objectFields(receiver)
};

{
  // By channel what Alertmanager sends over it. SMS, phone and the rest go through webhook_actions.
  channels(settings)::
    local every = { email: email, telegram: telegram, slack: slack };
    local set = {
      [name]: every[name](settings.channels[name])
      for name in std.objectFields(every)
      if settings.channels[name].enabled
    };
    { [name]: set[name] for name in std.objectFields(set) if set[name] != {} },

  // By name what reaches the contacts of a team, over the channels that its contact has an address for.
  teams(settings)::
    local addressed(contact) = {
      email: email(settings.channels.email { to: contact.email }),
      telegram: telegram(settings.channels.telegram { chats: contact.telegram }),
    };
    std.foldl(
      function(known, team)
        local ways = addressed(settings.contacts[team]);
        known + {
          ['%s-of-%s' % [name, team]]: ways[name]
          for name in std.objectFields(ways)
          if settings.channels[name].enabled && ways[name] != {}
        },
      owners(settings).teams,
      {}
    ),

  // The end of an alert is told, but not that of information (`-info`) or of a test (`test-`).
  all(settings)::
    local named(receivers, format, send) =
      [{ name: format % name } + resolved(receivers[name], send) for name in std.objectFields(receivers)];
    local people = $.channels(settings) + $.teams(settings);
    [{ name: 'nobody' }, webhook_actions(settings)] +
    named(people, '%s', true) +
    named(people, '%s-info', false) +
    named($.channels(settings), 'test-%s', false) +
    (if settings.routing.watchdog_url_file == null then [] else [{
       name: 'watchdog',
       webhook_configs: [{ url_file: settings.routing.watchdog_url_file, send_resolved: false }],
     }]),
}
