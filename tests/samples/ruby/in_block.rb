# usage: in_block.rb TLS-ADDRESS CERTIFICATES
#
# Forks in the block that signs a call, which runs on a thread of the gRPC library's.  The first thing
# that the child does with gRPC is a call that has to be signed.

require_relative 'echo_client'

address, certificates = ARGV
forks = false
stub = nil

signer = proc do
  if forks
    forks = false
    await(fork { report_signed('child', stub) })
  end
  SIGNATURE.call
end
credentials = EchoClient.credentials(certificates).compose(GRPC::Core::CallCredentials.new(signer))
stub = Samples::Echo::Stub.new(address, credentials)

report_signed('parent', stub)
forks = true
report_signed('parent forking', stub)
report_signed('parent after', stub)
