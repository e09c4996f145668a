# usage: deadline.rb ADDRESS CHILDREN
#
# Children that are ended by their last call's deadline, one after the other.

require_relative 'echo_client'

client = EchoClient.new(ARGV[0])
client.call('parent')
good = ARGV[1].to_i.times.count do
  pid = fork do
    client.unary
    client.report('child', 'deadline') { client.unary(seconds: 0.1, delay: 5000) }
  end
  Process.wait(pid)
  puts "child #{$?}" unless $?.success?
  $?.success?
end
puts "children that ended well #{good}"
client.call('parent after')
