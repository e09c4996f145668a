// What Ruby's gRPC extension (grpc_c.so) needs on top of the C API.
//
// It refuses to work in a child ("grpc cannot be used before and after forking"), and its two
// background threads, one for connectivity watches and one for call credentials, are Ruby threads,
// of which a child has none.
#ifndef GRPCFORKSHIM_LANGUAGES_RUBY_RUBY_H
#define GRPCFORKSHIM_LANGUAGES_RUBY_RUBY_H

// Sees to it that the extension finds the process that it expects and its background threads
// running, in every child that uses it. Found by what its image defines and imports; without Ruby
// in the process nothing is done. From the constructor.
void ruby_start(void);

#endif
