worker_processes 4
preload_app true
listen ENV.fetch('WEB_SOCKET'), backlog: 1024
pid ENV.fetch('WEB_PID')
timeout 60
