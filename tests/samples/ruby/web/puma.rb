# From the first line on: puma switches it later, and a master that TERM reaches within a line of its log
# would then end with status 1 (ThreadError: the handler logs too, and Ruby keeps the lock of the buffer).
$stdout.sync = true

workers 4
threads 2, 2
preload_app!
bind "unix://#{ENV.fetch('WEB_SOCKET')}?backlog=1024"
pidfile ENV.fetch('WEB_PID')
