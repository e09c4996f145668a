# A web application that asks another service for each answer.  Its stub is opened when it is loaded:
# once, by the server's master process, and a thread of the master keeps an eye on the service.
#
# ECHO_ADDRESS is the service, HEARTBEAT a file to which the master writes what it saw.

# Protobuf before gRPC: on Debian 11 they crash the other way round.
require 'echo_pb'
require 'grpc'
require 'echo_services_pb'

stub = Samples::Echo::Stub.new(ENV.fetch('ECHO_ADDRESS'), :this_channel_is_insecure)
ask = ->(text) { stub.unary(Samples::Request.new(text: text), deadline: Time.now + 50) }

loaded = Process.clock_gettime(Process::CLOCK_MONOTONIC)
Thread.new do
  loop do
    begin
      peer = ask.call('alive').peer
    rescue GRPC::BadStatus
      peer = 'failed'
    end
    now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    File.write(ENV.fetch('HEARTBEAT'), "#{Process.pid} #{loaded} #{peer} #{now}\n", mode: 'a')
    sleep 0.05
  end
end
ask.call('warm up')

run lambda { |_environment|
  [200, { 'content-type' => 'text/plain' }, ["#{Process.pid} #{ask.call('hello').peer}\n"]]
}
