# usage: background.rb ADDRESS TLS-ADDRESS CERTIFICATES
#
# What the gRPC library does in threads of its own: watch connections, ask a block for the
# credentials of each call, serve.  In the parent, then in a child.

require_relative 'echo_client'

IDLE = GRPC::Core::ConnectivityStates::IDLE

address, tls_address, certificates = ARGV

# Waits for the connection without making a call.
def watch(who, channel)
  state = channel.connectivity_state(true)
  until state == GRPC::Core::ConnectivityStates::READY
    break unless channel.watch_connectivity_state(state, Time.now + 30)

    state = channel.connectivity_state
  end
  puts "#{who} watch #{state}"
end

# Signs each call.
signer = proc do |context|
  { 'authorization' => "signed by #{Process.pid} for #{context[:jwt_aud_uri][/[^\/]+$/]}" }
end
signed = EchoClient.credentials(certificates).compose(GRPC::Core::CallCredentials.new(signer))
signing_stub = Samples::Echo::Stub.new(tls_address, signed)

sign = lambda do |who, stub|
  report_signed(who, stub, "signed by #{Process.pid} for samples.Echo")
end

# A service of its own.
class EchoService < Samples::Echo::Service
  def unary(request, _call)
    Samples::Reply.new(text: request.text, pid: Process.pid)
  end
end

def start_server
  server = GRPC::RpcServer.new(pool_size: 2, poll_period: 1)
  port = server.add_http2_port('127.0.0.1:0', :this_port_is_insecure)
  server.handle(EchoService)
  thread = Thread.new { server.run }
  server.wait_till_running
  [server, thread, "127.0.0.1:#{port}"]
end

def serve(who)
  server, thread, address = start_server
  puts "#{who} served #{EchoClient.new(address).unary.pid == Process.pid}"
  server.stop
  thread.join
end

channel = GRPC::Core::Channel.new(address, {}, :this_channel_is_insecure)
idle_channel = GRPC::Core::Channel.new(address, {}, :this_channel_is_insecure)
steps = lambda do |who|
  watch(who, channel)
  sign.call(who, signing_stub)
  sign.call("#{who} new", Samples::Echo::Stub.new(tls_address, signed))
  serve(who)
end

parent = Process.pid
server, thread, parent_address = start_server
steps.call('parent')
pid = fork do
  # The first thing that this child does with gRPC, on a channel that was never connected.
  watch('child first', idle_channel)
  steps.call('child')
  puts "child was served by its parent #{EchoClient.new(parent_address).unary.pid == parent}"
end
await(pid)
steps.call('parent after')
puts "parent serves on #{EchoClient.new(parent_address).unary.pid == parent}"
server.stop
thread.join
