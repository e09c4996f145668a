# usage: idle.rb SERVER-PROGRAM
#
# A process that makes no calls for a while notices all the same that its server has gone, since the
# gRPC library watches its channels in the background, and is ready when the server is back.

require_relative 'echo_client'

READY = GRPC::Core::ConnectivityStates::READY

def start_server(program, address = '127.0.0.1:0')
  server = IO.popen([program, '--listen', address])
  [server, server.gets.split[1]]
end

def stop_server(server)
  Process.kill('TERM', server.pid)
  server.close
end

# Asks for the state only: to wait for it (watch_connectivity_state) would be a watch of its own.
def notice(who, channel)
  deadline = Time.now + 30
  sleep 0.02 while channel.connectivity_state == READY && Time.now < deadline
  puts "#{who} noticed #{channel.connectivity_state != READY}"
end

server, address = start_server(ARGV[0])
channel = GRPC::Core::Channel.new(address, {}, :this_channel_is_insecure)
client = EchoClient.new(address, channel_override: channel)
client.call('parent')

child_has_called, tell_parent = IO.pipe
server_has_gone, tell_child = IO.pipe
server_is_back, tell_child_again = IO.pipe
pid = fork do
  tell_child.close
  tell_child_again.close
  client.call('child')
  tell_parent.puts
  server_has_gone.read
  notice('child', channel)
  server_is_back.read
  client.call('child again')
end
tell_parent.close
child_has_called.gets
stop_server(server)
tell_child.close
notice('parent', channel)
server, = start_server(ARGV[0], address)
tell_child_again.close
await(pid)
client.call('parent again')
stop_server(server)
