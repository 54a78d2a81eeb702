daemonize = false
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
certificates = "{folder}"
network_backend = "epoll"
log = { warn = "*console" }

modules_enabled = { "disco", "saslauth", "tls" }
modules_disabled = { "s2s", "offline" }
interfaces = { "127.0.0.1" }
c2s_ports = { }
c2s_direct_tls_ports = { {port} }
c2s_direct_tls_ssl = { certificate = "{folder}/cert.pem", key = "{folder}/key.pem" }
ssl = { certificate = "{folder}/cert.pem", key = "{folder}/key.pem", protocol = "tlsv1_3" }
authentication = "internal_plain"

storage = { muc_log = "sql" }
sql = { driver = "SQLite3", database = "{folder}/archive.sqlite" }
sqlite_tune = "safe"

VirtualHost "localhost"

Component "rooms.localhost" "muc"
    modules_enabled = { "muc_mam" }
    muc_room_locking = false
    muc_log_by_default = true
    muc_log_all_rooms = true
    muc_log_presences = false
    muc_room_default_presence_broadcast = { visitor = false, participant = false, moderator = false }
