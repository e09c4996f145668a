# usage: threads.rb ADDRESS TLS-ADDRESS CERTIFICATES THREADS FORKS [ON-HANG]
#
# Threads that call all the time, with and without signed calls, open and drop stubs, and watch a
# connection, while the main thread forks.  Every child uses some of all that and ends.  ON-HANG is a
# command that gets the number of a child that does not end.

require_relative 'echo_client'
require 'timeout'

CHILD_SECONDS = 60

address, tls_address, certificates, threads, forks, on_hang = ARGV
threads = threads.to_i
forks = forks.to_i

signer = proc { { 'authorization' => Process.pid.to_s } }
signed = EchoClient.credentials(certificates).compose(GRPC::Core::CallCredentials.new(signer))
signing_stub = Samples::Echo::Stub.new(tls_address, signed)
client = EchoClient.new(address)
channel = GRPC::Core::Channel.new(address, {}, :this_channel_is_insecure)

sign = lambda do |stub = signing_stub|
  operation = stub.unary(Samples::Request.new(text: 'x'), deadline: Time.now + 50, return_op: true)
  operation.execute
  raise 'not signed by this process' if operation.trailing_metadata['echo-authorization'] != Process.pid.to_s
end

steps = [
  -> { client.unary },
  sign,
  -> { EchoClient.new(address).unary },
  -> { client.bidi_stream },
  -> { channel.watch_connectivity_state(channel.connectivity_state(true), Time.now + 0.01) }
]

calls = Queue.new
failures = Queue.new
stop = false
workers = Array.new(threads) do |i|
  Thread.new do
    step = steps[i % steps.size]
    until stop
      begin
        step.call
        calls << 1
      rescue StandardError => e
        failures << e
      end
    end
  end
end

work = lambda do |i|
  case i % 6
  when 0 then client.unary
  when 1 then sign.call
  when 2 then sign.call(Samples::Echo::Stub.new(tls_address, signed))
  when 3 then steps.last.call
  when 4 then GC.start
  when 5
    GC.start
    Array.new(4) { |j| Thread.new { steps[j].call } }.each(&:join)
  end
end

failed = 0
forks.times do |i|
  pid = fork do
    work.call(i)
  rescue StandardError => e
    warn "child #{i}: #{e.class} #{e.message}"
    exit! 1
  end
  begin
    Timeout.timeout(CHILD_SECONDS) { Process.wait(pid) }
    failed += 1 unless $?.success?
  rescue Timeout::Error
    failed += 1
    system("#{on_hang} #{pid} >&2") if on_hang
    Process.kill('KILL', pid)
    Process.wait(pid)
  end
end
stop = true
workers.each(&:join)
puts "forks #{forks} failed #{failed}"
puts "parent calls #{calls.size} failed #{failures.size}"
exit true if failed.zero? && failures.empty?
puts "parent error #{failures.pop}" unless failures.empty?
exit false
