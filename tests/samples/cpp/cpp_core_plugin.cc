// The plugin of several_cores in C++: blocking calls as stubs make them, calls on a queue, alarms.
// It has no generated code: the libraries of protocol buffers would refuse a second copy.

#include "../c/core_plugin.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include <grpcpp/alarm.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

extern "C" const char *grpc_version_string();

namespace {

constexpr char kMethod[] = "/samples.Echo/Unary";

std::string address;
std::shared_ptr<grpc::Channel> channel;
std::string peer;
std::string parent_peer;
// Whose connection it is that `peer` tells of.
pid_t process;

std::shared_ptr<grpc::Channel> MakeChannel() {
    return grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
}

std::chrono::system_clock::time_point Deadline() {
    return std::chrono::system_clock::now() + std::chrono::seconds(PLUGIN_CALL_SECONDS);
}

// --- messages
// -------------------------------------------------------------------------------------

// A Request of echo.proto with its text, which is short.
grpc::ByteBuffer Encode(const std::string &text) {
    const std::string bytes = std::string("\x0a") + static_cast<char>(text.size()) + text;
    const grpc::Slice slice(bytes);
    return grpc::ByteBuffer(&slice, 1);
}

// The first two fields of a Reply: the text, and the client's address.
bool Decode(const grpc::ByteBuffer &reply, const std::string &text, std::string *address_seen) {
    std::vector<grpc::Slice> slices;
    if (!reply.Valid() || !reply.Dump(&slices).ok()) {
        return false;
    }
    std::string bytes;
    for (const grpc::Slice &slice : slices) {
        bytes.append(reinterpret_cast<const char *>(slice.begin()), slice.size());
    }
    const std::string begin = std::string("\x0a") + static_cast<char>(text.size()) + text + "\x12";
    if (bytes.compare(0, begin.size(), begin) != 0 || bytes.size() == begin.size()) {
        return false;
    }
    *address_seen = bytes.substr(begin.size() + 1, static_cast<unsigned char>(bytes[begin.size()]));
    return true;
}

// --- calls
// ----------------------------------------------------------------------------------------

struct Answer {
    grpc::Status status{grpc::StatusCode::UNKNOWN, "no event"};
    std::string peer;
    bool replied = false;
};

Answer CallBlocking(grpc::Channel *on, const std::string &text) {
    const grpc::internal::RpcMethod method(kMethod, grpc::internal::RpcMethod::NORMAL_RPC);
    grpc::ClientContext context;
    context.set_deadline(Deadline());
    grpc::ByteBuffer reply;
    Answer answer;
    answer.status = grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
        on, method, &context, Encode(text), &reply);
    answer.replied = answer.status.ok() && Decode(reply, text, &answer.peer);
    return answer;
}

bool NextIs(grpc::CompletionQueue *queue, void *expected) {
    void *tag = nullptr;
    bool ok = false;
    return queue->Next(&tag, &ok) && tag == expected && ok;
}

void Drain(grpc::CompletionQueue *queue) {
    void *tag = nullptr;
    bool ok = false;
    queue->Shutdown();
    while (queue->Next(&tag, &ok)) {
    }
}

Answer CallOnQueue(const std::string &text) {
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    context.set_deadline(Deadline());
    grpc::ByteBuffer reply;
    Answer answer;
    const auto call = stub.PrepareUnaryCall(&context, kMethod, Encode(text), &queue);
    call->StartCall();
    call->Finish(&reply, &answer.status, &answer);
    const bool came = NextIs(&queue, &answer);
    answer.replied = came && answer.status.ok() && Decode(reply, text, &answer.peer);
    Drain(&queue);
    return answer;
}

bool AlarmFires() {
    grpc::CompletionQueue queue;
    grpc::Alarm alarm;
    alarm.Set(&queue, std::chrono::system_clock::now() + std::chrono::milliseconds(1), &alarm);
    const bool fired = NextIs(&queue, &alarm);
    Drain(&queue);
    return fired;
}

// --- reports
// --------------------------------------------------------------------------------------

bool Report(const std::string &who, const std::string &what) {
    printf("%s %s\n", who.c_str(), what.c_str());
    return false;
}

bool IsParents(const std::string &seen) {
    return seen == (process == getpid() ? parent_peer : peer);
}

bool Accept(const std::string &who, const Answer &answer) {
    Report(who, "status " + std::to_string(answer.status.error_code()));
    if (!answer.replied) {
        return Report(who, "details " + answer.status.error_message());
    }
    Report(who, "peer " + answer.peer);
    return !IsParents(answer.peer) || Report(who, "connection of the parent");
}

bool AcceptAgain(const std::string &who, const Answer &answer) {
    if (!Accept(who, answer)) {
        return false;
    }
    if (process == getpid()) {
        return answer.peer == peer || Report(who, "connection lost");
    }
    parent_peer = peer;
    peer = answer.peer;
    process = getpid();
    return true;
}

} // namespace

bool plugin_open(const char *who, const char *at) {
    address = at;
    process = 0;
    peer.clear();
    channel = MakeChannel();
    return plugin_call(who);
}

bool plugin_call(const char *who) {
    const std::string name = who;
    bool passed = AcceptAgain(name, CallBlocking(channel.get(), name));
    passed = AcceptAgain(name + " queue", CallOnQueue(name)) && passed;
    return (AlarmFires() || Report(name, "alarm FAILED")) && passed;
}

bool plugin_call_new(const char *who) {
    return Accept(who, CallBlocking(MakeChannel().get(), who));
}

bool plugin_call_quietly() {
    const Answer answer = CallBlocking(channel.get(), "from a thread");
    if (answer.replied && answer.peer == peer) {
        return true;
    }
    Accept("thread", answer);
    return Report("thread", "connection lost");
}

const char *plugin_peer() {
    return peer.c_str();
}

void plugin_close() {
    channel.reset();
}

const char *plugin_version() {
    return grpc_version_string();
}
