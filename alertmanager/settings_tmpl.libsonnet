// The settings that the templates show: colours, deadlines, the time zone, the on-call page's address.
local text(value) = '{{ %s }}' % std.escapeStringJson(value);

// A template that takes a severity; meta alerts look like critical ones.
local by_severity(name, value) =
  '{{ define "%s" }}{{ if eq . "warning" }}%s{{ else if eq . "info" }}%s{{ else }}%s{{ end }}{{ end }}\n'
  % [name, value('warning'), value('info'), value('critical')];

// Telegram accepts 4,096 characters: the template leaves out an address that takes too many of them, and the alert
// arrives.
local longest = 150;
local written(url) = std.length(url) + 4 * std.length(std.findSubstr('&', url));
local linked(url) = if written(url) > longest then '' else '<a href="%s/a/{{ .Fingerprint }}">On-call page</a> ' % url;

function(settings)
  by_severity('nightdesk.severity.colour', function(name) settings.severities[name].colour) +
  by_severity('nightdesk.deadline', function(name) text(settings.severities[name].deadline)) +
  '{{ define "nightdesk.success.colour" }}%s{{ end }}\n' % settings.success_colour +
  '{{ define "nightdesk.time" }}{{ . | tz %s | date "2006-01-02 15:04:05 MST" }}{{ end }}\n'
  % std.escapeStringJson(settings.timezone) +
  '{{ define "nightdesk.oncall" }}%s{{ end }}\n' % settings.links.webhook_actions +
  '{{ define "nightdesk.telegram.oncall" }}%s{{ end }}\n' % linked(settings.links.webhook_actions)
