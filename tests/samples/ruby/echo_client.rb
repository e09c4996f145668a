# What the samples share: a client of the echo service that says what it did.

# Protobuf before gRPC: on Debian 11 they crash the other way round.
require 'echo_pb'
require 'grpc'
require 'echo_services_pb'

$stdout.sync = true

# Prints `WHO KIND OK|CODE` for each call, and `WHO peer ADDRESS`, the connection that was used.
class EchoClient
  SECONDS = 30

  def initialize(address, certificates: nil, **options)
    @stub = Samples::Echo::Stub.new(address, EchoClient.credentials(certificates), **options)
  end

  def self.credentials(certificates)
    return :this_channel_is_insecure unless certificates

    GRPC::Core::ChannelCredentials.new(File.read("#{certificates}/ca.pem"))
  end

  def unary(text = 'hello', seconds: SECONDS, delay: 0, **options)
    @stub.unary(Samples::Request.new(text: text, delay_milliseconds: delay),
                deadline: Time.now + seconds, **options)
  end

  def client_stream
    @stub.client_stream(requests('a', 'b', 'c'), deadline: deadline).text
  end

  def server_stream
    @stub.server_stream(Samples::Request.new(text: 'x', count: 3), deadline: deadline).map(&:sequence)
  end

  def bidi_stream
    @stub.bidi_stream(requests('a', 'b', 'c'), deadline: deadline).map(&:text)
  end

  # One call of each kind.
  def call_all(who)
    peer = nil
    report(who, 'unary') { (peer = unary.peer) && true }
    report(who, 'client_stream') { client_stream == 'abc' }
    report(who, 'server_stream') { server_stream == [0, 1, 2] }
    report(who, 'bidi_stream') { bidi_stream == %w[a b c] }
    report(who, 'deadline') { unary(seconds: 0.1, delay: 5000) }
    puts "#{who} peer #{peer}" if peer
  end

  # A unary call.
  def call(who, **options)
    report(who, 'unary') do
      puts "#{who} peer #{unary(**options).peer}"
      true
    end
  end

  def report(who, kind)
    puts "#{who} #{kind} #{yield ? 'OK' : 'WRONG'}"
  rescue GRPC::BadStatus => e
    puts "#{who} #{kind} #{e.code} #{e.details}"
  end

  private

  def deadline
    Time.now + SECONDS
  end

  def requests(*texts)
    texts.map { |text| Samples::Request.new(text: text) }.each
  end
end

# A block for call credentials that signs by the process that it runs in.
SIGNATURE = proc { { 'authorization' => "signed by #{Process.pid}" } }

# Makes a call through a stub that signs, and prints whether what arrived is what was expected.
def report_signed(who, stub, expected = "signed by #{Process.pid}")
  operation = stub.unary(Samples::Request.new(text: 'hello'), deadline: Time.now + 30,
                                                              return_op: true)
  operation.execute
  puts "#{who} signed #{operation.trailing_metadata['echo-authorization'] == expected}"
end

# Waits for a child and says how it ended.
def await(pid, who = 'child')
  _, status = Process.wait2(pid)
  puts "#{who} exit #{status.exitstatus || status.termsig}"
end
