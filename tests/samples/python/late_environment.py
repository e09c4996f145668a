"""Sets its environment after grpc was imported and before it is used; what gRPC says then is standard
error's. With the argument `silent` it is not used at all."""

import os
import sys

import grpc

sys.stderr.write("loaded\n")
if sys.argv[1:] != ["silent"]:
    os.environ.update(GRPC_VERBOSITY="debug", GRPC_TRACE="api", GRPC_POLL_STRATEGY="poll")
    channel = grpc.insecure_channel("localhost:1")
    sys.stderr.write("made\n")
    os._exit(0)
