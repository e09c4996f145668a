# From the first line on: puma switches it later, and a master that TERM reaches within a line of its log
# would then end with status 1 (ThreadError: the handler logs too, and Ruby keeps the lock of the buffer).
$stdout.sync = true

# The workers are forked by the first worker, which serves as well and alone has loaded the application. Later pumas
# preload unless told otherwise, and then have no phased restart.
workers 4
threads 2, 2
# Not by itself after so many requests.
fork_worker 0
preload_app! false
# A worker whose parent, the first worker, was replaced before it: the master sees its end at the next check.
worker_check_interval 1
bind "unix://#{ENV.fetch('WEB_SOCKET')}?backlog=1024"
pidfile ENV.fetch('WEB_PID')
