# usage: signals.rb ADDRESS CHILDREN
#
# Children that get a lot of signals while they first use gRPC, as workers do that are told to stop or to
# reopen their logs before they are quite there.

require_relative 'echo_client'

# As many as take longer than a child's first call.  Not without end: abseil measures the processor's
# frequency when it first waits for a lock, and does not get to the end of that under signals.
SIGNALS = 5000

client = EchoClient.new(ARGV[0])
client.call('parent')
good = ARGV[1].to_i.times.count do
  ready, tell_parent = IO.pipe
  pid = fork do
    trap('USR1') {}
    tell_parent.puts
    client.unary
  end
  tell_parent.close
  ready.gets
  # A child that has ended is there until it is awaited.
  SIGNALS.times { Process.kill('USR1', pid) }
  Process.wait(pid)
  puts "child #{$?}" unless $?.success?
  $?.success?
end
puts "children that worked #{good}"
client.call('parent after')
