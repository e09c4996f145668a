// What channels can do besides calling: interceptors, compression, retries by a service config,
// load balancing. Each shows an effect that can be seen, in the parent and in its child.

#include <atomic>

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <grpcpp/support/client_interceptor.h>

#include "legacy.h"

namespace {

// --- interceptors -------------------------------------------------------------------------------

std::atomic<int> intercepted{0};

class MarkingInterceptor final : public grpc::experimental::Interceptor {
  public:
    void Intercept(grpc::experimental::InterceptorBatchMethods *methods) override {
        if (methods->QueryInterceptionHookPoint(
                grpc::experimental::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
            methods->GetSendInitialMetadata()->insert({"x-sample", "intercepted"});
        }
        if (methods->QueryInterceptionHookPoint(
                grpc::experimental::InterceptionHookPoints::POST_RECV_STATUS)) {
            intercepted++;
        }
        methods->Proceed();
    }
};

class MarkingFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
  public:
    grpc::experimental::Interceptor *
    CreateClientInterceptor(grpc::experimental::ClientRpcInfo *) override {
        return new MarkingInterceptor;
    }
};

std::shared_ptr<grpc::Channel> MakeInterceptedChannel(const legacy::CommandLine &command) {
    std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> factories;
    factories.push_back(std::make_unique<MarkingFactory>());
    return grpc::experimental::CreateCustomChannelWithInterceptors(
        command.address(), legacy::MakeCredentials(command), legacy::MakeArguments(),
        std::move(factories));
}

bool CheckInterceptors(legacy::Echo::Stub *stub, const std::string &who) {
    grpc::ClientContext context;
    intercepted = 0;
    const bool worked = !legacy::CallUnary(stub, who, &context).empty();
    const std::string seen = legacy::TrailingMetadata(context, "echo-x-sample");
    legacy::Report(who, "marked", seen.empty() ? "no" : seen);
    legacy::Report(who, "ended", intercepted);
    return worked && seen == "intercepted" && intercepted == 1;
}

// --- compression --------------------------------------------------------------------------------

// What this process has sent on its connections.
uint64_t BytesSent() {
    uint64_t sum = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (const dirent *entry = readdir(directory)) {
        // The kernel's struct: libc's has no counts of bytes.
        struct {
            unsigned char state[8];
            uint32_t times[24];
            uint64_t pacing[2];
            uint64_t acked, received;
        } information = {};
        socklen_t size = sizeof(information);
        if (getsockopt(atoi(entry->d_name), IPPROTO_TCP, TCP_INFO, &information, &size) == 0) {
            sum += information.acked;
        }
    }
    closedir(directory);
    return sum;
}

// A megabyte that compresses well does not pass the connection as such.
bool CheckCompression(legacy::Echo::Stub *stub, const std::string &who) {
    constexpr size_t kSize = 1 << 20;
    grpc::ClientContext context;
    legacy::SetDeadline(&context);
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    legacy::Request request;
    request.set_text(std::string(kSize, 'x'));
    legacy::Reply reply;
    const bool worked = legacy::ReportStatus(who, stub->Unary(&context, request, &reply)) &&
                        reply.text() == request.text();
    const uint64_t sent = BytesSent();
    legacy::Report(who, "sent", sent > 0 && sent < kSize / 4 ? "less" : std::to_string(sent));
    legacy::Report(who, "peer", reply.peer());
    return worked && sent > 0 && sent < kSize / 4;
}

// --- retries ------------------------------------------------------------------------------------

std::shared_ptr<grpc::Channel> MakeRetryingChannel(const legacy::CommandLine &command) {
    grpc::ChannelArguments arguments = legacy::MakeArguments();
    arguments.SetServiceConfigJSON(R"({"methodConfig": [{
        "name": [{"service": "samples.Echo"}],
        "retryPolicy": {
            "maxAttempts": 4, "initialBackoff": "0.01s", "maxBackoff": "0.02s",
            "backoffMultiplier": 1.0, "retryableStatusCodes": ["UNAVAILABLE"]
        }
    }]})");
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 1);
    return grpc::CreateCustomChannel(command.address(), legacy::MakeCredentials(command),
                                     arguments);
}

// The server fails the first two attempts.
bool CheckRetries(legacy::Echo::Stub *stub, const std::string &who) {
    grpc::ClientContext context;
    context.AddMetadata("x-fail-attempts", "2");
    return !legacy::CallUnary(stub, who, &context).empty();
}

// Without a policy that says otherwise the first failure is the call's.
bool CheckUnretried(legacy::Echo::Stub *stub, const std::string &who) {
    return !CheckRetries(stub, who);
}

// --- load balancing -----------------------------------------------------------------------------

// ADDRESS is a list of two servers.
std::shared_ptr<grpc::Channel> MakeBalancedChannel(const legacy::CommandLine &command) {
    grpc::ChannelArguments arguments = legacy::MakeArguments();
    arguments.SetLoadBalancingPolicyName("round_robin");
    return grpc::CreateCustomChannel(command.address(), legacy::MakeCredentials(command),
                                     arguments);
}

// Both servers answer, once the channel has reached both.
bool CheckBalancing(legacy::Echo::Stub *stub, const std::string &who) {
    const auto end = std::chrono::steady_clock::now() + legacy::deadline;
    std::set<int64_t> servers;
    std::string peer;
    while (servers.size() < 2 && std::chrono::steady_clock::now() < end) {
        grpc::ClientContext context;
        legacy::SetDeadline(&context);
        legacy::Request request;
        legacy::Reply reply;
        const grpc::Status status = stub->Unary(&context, request, &reply);
        if (!status.ok()) {
            return legacy::ReportStatus(who, status);
        }
        servers.insert(reply.pid());
    }
    legacy::Report(who, "servers", servers.size());
    return servers.size() == 2;
}

struct Feature {
    const char *name;
    std::shared_ptr<grpc::Channel> (*make)(const legacy::CommandLine &command);
    bool (*check)(legacy::Echo::Stub *stub, const std::string &who);
};

std::shared_ptr<grpc::Channel> MakePlainChannel(const legacy::CommandLine &command) {
    return legacy::Client(command).channel;
}

const Feature features[] = {
    {"interceptors", MakeInterceptedChannel, CheckInterceptors},
    {"compression", MakePlainChannel, CheckCompression},
    {"retries", MakeRetryingChannel, CheckRetries},
    {"unretried", MakePlainChannel, CheckUnretried},
    {"balancing", MakeBalancedChannel, CheckBalancing},
};

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(
        argc, argv, "[--feature interceptors|compression|retries|unretried|balancing]",
        {"--feature"});
    const std::string name = command.Choice(
        "--feature", {"interceptors", "compression", "retries", "unretried", "balancing"});
    for (const Feature &feature : features) {
        if (name != feature.name) {
            continue;
        }
        const legacy::Client client(feature.make(command));
        if (!feature.check(client.stub.get(), "parent")) {
            return 1;
        }
        const bool child_worked = legacy::WaitForChild(legacy::StartChild([&] {
            if (!feature.check(client.stub.get(), "child")) {
                return false;
            }
            // And for a channel that the child makes.
            return feature.check(legacy::Client(feature.make(command)).stub.get(), "child new");
        }));
        const bool parent_worked = feature.check(client.stub.get(), "parent after");
        return child_worked && parent_worked ? 0 : 1;
    }
    return 2;
}
