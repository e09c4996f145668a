"""gunicorn's configuration for web_greenlets.py: its workers ask for gRPC's gevent support after
gunicorn has patched their standard library.  By then grpc was used already where the application is
loaded before the workers are forked."""

import os


def post_worker_init(worker):
    if os.environ["SAMPLE_GEVENT"] == "worker":
        import grpc.experimental.gevent
        grpc.experimental.gevent.init_gevent()
