# usage: forms.rb ADDRESS FORM [CERTIFICATES]
#
# Calls, forks in one of Ruby's ways, and calls in the child: through the stub that is already
# open and through a new one.  Then the parent calls again.

require_relative 'echo_client'
require 'fiddle'

address, form, certificates = ARGV
client = EchoClient.new(address, certificates: certificates)
client.call_all('parent')

# Nobody but the gRPC library is told anything else than the truth.
def knows_its_number?
  getpid = Fiddle::Function.new(Fiddle.dlopen(nil)['getpid'], [], Fiddle::TYPE_INT)
  [Process.pid, $$, getpid.call].uniq == [File.readlink('/proc/self').to_i]
end

child = lambda do |who = 'child'|
  client.call_all(who)
  puts "#{who} knows its number #{knows_its_number?}"
  EchoClient.new(address, certificates: certificates).call_all("#{who} new")
rescue RuntimeError => e
  # Ruby 3.3's IO.popen does not say what its child died of.
  abort "#{who}: #{e.message}"
end

case form
when 'fork'
  await(fork(&child))
when 'thread'
  Thread.new { await(fork(&child)) }.join
when 'popen'
  IO.popen('-') do |output|
    if output
      puts output.read
    else
      child.call
    end
  end
  puts "child exit #{$?.exitstatus}"
when 'grandchildren'
  pid = fork do
    child.call
    await(fork { child.call('grandchild') }, 'grandchild')
  end
  await(pid)
when 'grandchild-only'
  await(fork { await(fork { child.call('grandchild') }, 'grandchild') })
when 'daemon'
  Process.daemon(true, true)
  child.call
  exit
else
  abort "unknown form #{form}"
end

client.call_all('parent after')
