// How to call a part of the stack: with TLS or without, and as which user. The setting `web` decides.
function(web) {
  scheme: if web.tls.enabled then 'https' else 'http',

  // Fields that http_config and scrape_config share.
  trust: if web.tls.enabled then { tls_config: { ca_file: web.tls.ca_file } } else {},
  user: if web.auth.enabled then { basic_auth: { username: web.auth.username, password_file: web.auth.password_file } } else {},
}
