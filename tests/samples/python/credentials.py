"""Secure channels; call credentials of each kind, with the channel and with the call."""

import argparse
import os
import sys

import grpc
from echo import EchoStub, Request
from family import in_child, say

parser = argparse.ArgumentParser()
parser.add_argument("tls")
parser.add_argument("mutual_tls")
parser.add_argument("certificates")
options = parser.parse_args()


def read(name):
    with open(os.path.join(options.certificates, name), "rb") as file:
        return file.read()


class Signing(grpc.AuthMetadataPlugin):
    """Asked for metadata in each call."""

    def __call__(self, context, callback):
        callback((("x-sample", f"signed {os.getpid()}"),), None)


def make_credentials():
    tls = grpc.ssl_channel_credentials(read("ca.pem"))
    mutual = grpc.ssl_channel_credentials(read("ca.pem"), read("client.key"), read("client.pem"))
    token = grpc.access_token_call_credentials("secret")
    plugin = grpc.metadata_call_credentials(Signing(), "signing")
    return {
        "tls": (options.tls, tls),
        "mutual": (options.mutual_tls, mutual),
        # They fall back on the others where the target is none of xDS.
        "xds": (options.tls, getattr(grpc, "xds_channel_credentials", lambda fallback: fallback)(tls)),
        "token": (options.tls, grpc.composite_channel_credentials(tls, token)),
        "plugin": (options.tls, grpc.composite_channel_credentials(tls, plugin)),
        "both": (options.tls, grpc.composite_channel_credentials(
            tls, grpc.composite_call_credentials(token, plugin))),
    }, token, plugin


credentials, token, plugin = make_credentials()
stubs = {name: EchoStub(grpc.secure_channel(address, of_channel))
         for name, (address, of_channel) in credentials.items()}


def call(stub, of_call=None):
    _, call = stub.Unary.with_call(Request(text="x"), timeout=30, credentials=of_call)
    metadata = dict(call.trailing_metadata())
    return " ".join(metadata[key].replace(str(os.getpid()), "here")
                    for key in ("echo-authorization", "echo-x-sample") if key in metadata) or "-"


def call_all(who, stubs, token, plugin):
    for name, stub in stubs.items():
        say(who, name, call(stub))
    say(who, "per-call-token", call(stubs["tls"], token))
    say(who, "per-call-plugin", call(stubs["tls"], plugin))


def child():
    call_all("child-inherited", stubs, token, plugin)
    again = {name: EchoStub(grpc.secure_channel(address, of_channel))
             for name, (address, of_channel) in credentials.items()}
    call_all("child-inherited-credentials", again, token, plugin)
    mixed = grpc.composite_channel_credentials(credentials["tls"][1],
                                               grpc.access_token_call_credentials("newer"))
    say("child mixed", call(EchoStub(grpc.secure_channel(options.tls, mixed))))
    mine, my_token, my_plugin = make_credentials()
    call_all("child-new", {name: EchoStub(grpc.secure_channel(address, of_channel))
                           for name, (address, of_channel) in mine.items()}, my_token, my_plugin)


def main():
    call_all("parent", stubs, token, plugin)
    status = in_child(child)
    say("child exit", status)
    call_all("parent-after", stubs, token, plugin)
    sys.exit(status)


if __name__ == "__main__":
    main()
