# usage: collect.rb ADDRESS TLS-ADDRESS CERTIFICATES use|leave
#
# Opens a lot of things, forks, and lets the child's garbage collector free them.  The child then
# leaves gRPC alone, or uses it; to free a server counts as using it.

require_relative 'echo_client'

address, tls_address, certificates, use = ARGV

def threads
  Dir.children('/proc/self/task').size
end

# Everything that has a finaliser in the gRPC library, in every state.
def open_all(address, tls_address, certificates, serve)
  signer = GRPC::Core::CallCredentials.new(proc { { 'authorization' => 'x' } })
  credentials = EchoClient.credentials(certificates).compose(signer)
  stub = Samples::Echo::Stub.new(address, :this_channel_is_insecure)
  server = GRPC::RpcServer.new(pool_size: 2) if serve
  server&.add_http2_port('127.0.0.1:0', :this_port_is_insecure)
  streams = Array.new(5) do
    stub.server_stream(Samples::Request.new(text: 'x', count: 1_000_000), deadline: Time.now + 600)
  end
  streams.each(&:next)
  clients = Array.new(20) { EchoClient.new(address) } +
            Array.new(5) { Samples::Echo::Stub.new(tls_address, credentials) }
  clients.first.unary
  clients.last.unary(Samples::Request.new(text: 'x'), deadline: Time.now + 30)
  channels = Array.new(20) { |i| GRPC::Core::Channel.new(address, { 'x' => i }, :this_channel_is_insecure) }
  channels.each { |channel| channel.connectivity_state(true) }
  channels.first(5).each(&:close)
  [signer, credentials, stub, server, streams, clients, channels,
   GRPC::Core::CompressionOptions.new(default_level: :low),
   GRPC::Core::ServerCredentials.new(nil, [{ private_key: File.read("#{certificates}/server.key"),
                                             cert_chain: File.read("#{certificates}/server.pem") }], false)]
end

def collect
  # What a conservative collector still finds on the stack is freed when the process ends.
  10.times { GC.start(full_mark: true, immediate_sweep: true) }
end

def count
  [GRPC::Core::Channel, GRPC::Core::Call, GRPC::Core::ChannelCredentials, GRPC::Core::CallCredentials,
   GRPC::Core::Server].sum { |type| ObjectSpace.each_object(type).count }
end

client = EchoClient.new(address)
client.call('parent')
everything = open_all(address, tls_address, certificates, use == 'use')
before = count

pid = fork do
  at_exit { puts "child at_exit #{use == 'use' ? client.unary.text : 'ran'}" }
  ObjectSpace.define_finalizer(Object.new, proc { puts 'child finalizer ran' })
  stream = everything[4].first
  everything.clear
  collect
  puts "child freed #{count < before / 2}"
  puts "child threads #{threads}"
  if use == 'use'
    client.call('child')
    client.report('child', 'stream') { stream.each {} }
    collect
    client.call('child again')
  end
end
await(pid)
everything[4].each(&:next)
client.call('parent after')
everything.clear
collect
client.call('parent at last')
