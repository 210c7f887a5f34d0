// How a part of the stack is asked: by TLS or not, and as which user. `web` of the settings says so.
function(web) {
  scheme: if web.tls.enabled then 'https' else 'http',

  // What http_config and scrape_config call alike.
  trust: if web.tls.enabled then { tls_config: { ca_file: web.tls.ca_file } } else {},
  user: if web.auth.enabled then { basic_auth: { username: web.auth.username, password_file: web.auth.password_file } } else {},
}
