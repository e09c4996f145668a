# usage: in_at_exit.rb TLS-ADDRESS CERTIFICATES
#
# As frameworks have it whose application is a plain script: everything that is loaded later runs
# when the script has ended.

at_exit do
  credentials = EchoClient.credentials(ARGV[1]).compose(GRPC::Core::CallCredentials.new(SIGNATURE))
  stub = Samples::Echo::Stub.new(ARGV[0], credentials)
  report_signed('parent', stub)
  await(fork { report_signed('child', stub) })
end

require_relative 'echo_client'
