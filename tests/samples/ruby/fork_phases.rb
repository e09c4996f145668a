# usage: fork_phases.rb ADDRESS PHASE...
#
# Forks before, during and after the process's first use of gRPC.
#
#   before   a child is the first to use gRPC; its parent has required it
#   during   children end at once, while another thread makes the process's first call
#   after    a child calls over the channel that its parent has called over

require_relative 'echo_client'

def before(address)
  await(fork { EchoClient.new(address).call('child') })
end

def during(address)
  thread = Thread.new do
    $client = EchoClient.new(address)
    $client.call('parent')
  end
  failed = 0
  while thread.alive?
    _, status = Process.wait2(fork { exit!(true) })
    failed += 1 unless status.success?
  end
  thread.join
  puts "during failed #{failed}"
end

def after(address)
  $client ||= EchoClient.new(address)
  $client.call('parent')
  await(fork { $client.call('child') })
  $client.call('parent')
end

address, *phases = ARGV
phases.each do |phase|
  send(phase, address)
  puts "#{phase} ok"
end
