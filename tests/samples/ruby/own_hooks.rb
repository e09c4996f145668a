# usage: own_hooks.rb ADDRESS
#
# A program for gRPC 1.57 or later that minds its forks itself, as gRPC asks it to, in a child and in
# the child's child.  What the parent and the child have open goes on.

require_relative 'echo_client'

def fork_with_hooks(who)
  GRPC.prefork
  pid = fork do
    GRPC.postfork_child
    yield
  end
  GRPC.postfork_parent
  await(pid, who)
end

client = EchoClient.new(ARGV[0])
calls = lambda do |who|
  client.call_all(who)
  EchoClient.new(ARGV[0]).call_all("#{who} new")
end

calls.call('parent')
fork_with_hooks('child') do
  calls.call('child')
  fork_with_hooks('grandchild') { calls.call('grandchild') }
  client.call('child after')
end
client.call('parent after')
# And one that it does not tell gRPC of.
await(fork { calls.call('other child') }, 'other child')
client.call('parent at last')
