"""Packages that build upon grpcio, each used by the parent and then by its child."""

import os
import subprocess
import sys
from concurrent import futures

import grpc
from google.api_core import exceptions, gapic_v1, grpc_helpers, retry
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

import echo
from family import in_child, say


class Traces(trace_service_pb2_grpc.TraceServiceServicer):

    def Export(self, request, context):
        return trace_service_pb2.ExportTraceServiceResponse()


def refuse(request, context):
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.DebugInfo(detail=f"asked for {request.text}"))
    context.abort_with_status(
        rpc_status.to_status(
            status_pb2.Status(code=code_pb2.NOT_FOUND, message="nothing", details=[detail])))


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(4))
    method = grpc.unary_unary_rpc_method_handler(refuse, echo.Request.decode, echo.encode_reply)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("samples.Echo", {"Unary": method}),))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    say(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    sys.stdin.read()
    server.stop(None).wait()


class Client:

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.health = health_pb2_grpc.HealthStub(self.channel)
        self.echo = echo.EchoStub(self.channel)
        self.wrapped = gapic_v1.method.wrap_method(
            self.echo.Unary, default_retry=retry.Retry(timeout=30), default_timeout=10)
        self.exporter = OTLPSpanExporter(endpoint=address, insecure=True, timeout=30)
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def use(self, who):
        reply = self.health.Check(health_pb2.HealthCheckRequest(), timeout=30)
        say(who, "health", health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))
        try:
            self.echo.Unary(echo.Request(text=who), timeout=30)
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)
            info = error_details_pb2.DebugInfo()
            status.details[0].Unpack(info)
            say(who, "status", status.message, info.detail)
        try:
            self.wrapped(echo.Request(text="wrapped"))
        except exceptions.NotFound as error:
            say(who, "api-core", error.message, error.grpc_status_code.name)
        try:
            grpc_helpers.wrap_errors(self.echo.Unary)(echo.Request(text="x"), timeout=30)
        except exceptions.GoogleAPICallError as error:
            say(who, "wrap_errors", type(error).__name__)
        with self.provider.get_tracer("sample").start_as_current_span("span") as span:
            pass
        say(who, "otlp", self.exporter.export([span]) is SpanExportResult.SUCCESS)


def main():
    # The server is a program of its own, without the shim.
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    server = subprocess.Popen([sys.executable, __file__, "serve"], env=environment,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    address = f"127.0.0.1:{int(server.stdout.readline())}"
    client = Client(address)
    client.use("parent")
    status = in_child(client.use, "child")
    say("child exit", status)
    status = status or in_child(lambda: Client(address).use("child-new"))
    client.use("parent-after")
    server.stdin.close()
    sys.exit(status or server.wait(20))


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
