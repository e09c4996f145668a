import os

workers = 4
preload_app = True
bind = "unix:" + os.environ["WEB_SOCKET"]
backlog = 1024
pidfile = os.environ["WEB_PID"]
timeout = 60
