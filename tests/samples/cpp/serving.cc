// A server that calls itself, and forks while it serves.
//
// serving [--server sync | async | callback] [--child WHAT]
//
// WHAT the child does with its parent's server, which is global:
//
//   exit        nothing, it returns from main          shutdown   Shutdown(), Wait() and the
//   destructor deadline    Shutdown() with a deadline             wait       Wait() alone destroy
//   the destructor                         own        serves and calls itself, on a port of its own
//   same-port   serves on the parent's port (SO_REUSEPORT), and calls until it reaches itself
//   client      calls the parent's server
//
// A call of another thread is being served when the program forks; others come in all the while.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <dirent.h>
#include <sys/socket.h>

#include "../c/asleep.h"
#include "event.h"
#include "legacy.h"

namespace {

using legacy::Reply;
using legacy::Report;
using legacy::Request;

// --- what is served -----------------------------------------------------------------------------

// A call with the text "wait" ends when it is released.
class Gate {
  public:
    void Enter() {
        std::unique_lock<std::mutex> lock(mutex_);
        entered_ = true;
        changed_.notify_all();
        changed_.wait(lock, [this] { return open_; });
    }

    void AwaitEntry() {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return entered_; });
    }

    void Open() {
        const std::lock_guard<std::mutex> lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool entered_ = false;
    bool open_ = false;
};

// The memory of it is never given back: a child's threads may not end in order.
Gate *const gate = new Gate;

void Answer(const Request &request, Reply *reply) {
    reply->set_text(request.text());
    reply->set_pid(getpid());
}

class SyncService final : public legacy::Echo::Service {
    grpc::Status Unary(grpc::ServerContext * /*context*/, const Request *request,
                       Reply *reply) override {
        if (request->text() == "wait") {
            gate->Enter();
        }
        Answer(*request, reply);
        return grpc::Status::OK;
    }
};

#ifdef HAVE_CALLBACK_SERVICES
class CallbackService final : public legacy::Echo::CallbackService {
    grpc::ServerUnaryReactor *Unary(grpc::CallbackServerContext *context, const Request *request,
                                    Reply *reply) override {
        grpc::ServerUnaryReactor *reactor = context->DefaultReactor();
        if (request->text() != "wait") {
            Answer(*request, reply);
            reactor->Finish(grpc::Status::OK);
            return reactor;
        }
        std::thread([=] {
            gate->Enter();
            Answer(*request, reply);
            reactor->Finish(grpc::Status::OK);
        }).detach();
        return reactor;
    }
};

#endif

// One call of the asynchronous service: requested, then answered, then gone.
class AsyncCall {
  public:
    AsyncCall(legacy::Echo::AsyncService *service, grpc::ServerCompletionQueue *queue)
        : service_(service), queue_(queue), responder_(&context_) {
        service_->RequestUnary(&context_, &request_, &responder_, queue_, queue_, this);
    }

    void Proceed(bool ok) {
        if (!ok || answered_) {
            delete this;
            return;
        }
        new AsyncCall(service_, queue_);
        answered_ = true;
        if (request_.text() != "wait") {
            Finish();
            return;
        }
        std::thread([this] {
            gate->Enter();
            Finish();
        }).detach();
    }

  private:
    void Finish() {
        Answer(request_, &reply_);
        responder_.Finish(reply_, grpc::Status::OK, this);
    }

    legacy::Echo::AsyncService *const service_;
    grpc::ServerCompletionQueue *const queue_;
    grpc::ServerContext context_;
    Request request_;
    Reply reply_;
    grpc::ServerAsyncResponseWriter<Reply> responder_;
    bool answered_ = false;
};

// --- the server ---------------------------------------------------------------------------------

class Server {
  public:
    Server(const std::string &kind, int port) {
        grpc::ServerBuilder builder;
        builder.AddListeningPort("127.0.0.1:" + std::to_string(port),
                                 grpc::InsecureServerCredentials(), &port_);
        if (kind == "sync") {
            builder.RegisterService(&sync_);
#ifdef HAVE_CALLBACK_SERVICES
        } else if (kind == "callback") {
            builder.RegisterService(&callback_);
#endif
        } else {
            builder.RegisterService(&async_);
            queue_ = builder.AddCompletionQueue();
        }
        server_ = builder.BuildAndStart();
        if (server_ == nullptr) {
            std::cerr << "can't start a server\n";
            exit(1);
        }
        if (queue_ != nullptr) {
            new AsyncCall(&async_, queue_.get());
            loop_ = new std::thread([this] { Loop(); });
        }
    }

    int port() const {
        return port_;
    }

    std::string address() const {
        return "127.0.0.1:" + std::to_string(port_);
    }

    void Shutdown() {
        server_->Shutdown();
        FinishQueue();
    }

    void ShutdownBy(std::chrono::system_clock::time_point deadline) {
        server_->Shutdown(deadline);
        FinishQueue();
    }

    void Wait() {
        server_->Wait();
    }

    // In a child the thread that drives the queue is to be made again.
    void DriveQueueInChild() {
        if (queue_ != nullptr) {
            loop_ = new std::thread([this] { Loop(); });
        }
    }

  private:
    void Loop() {
        void *tag = nullptr;
        bool ok = false;
        while (queue_->Next(&tag, &ok)) {
            static_cast<AsyncCall *>(tag)->Proceed(ok);
        }
    }

    void FinishQueue() {
        if (queue_ != nullptr) {
            queue_->Shutdown();
            loop_->join();
        }
    }

    SyncService sync_;
#ifdef HAVE_CALLBACK_SERVICES
    CallbackService callback_;
#endif
    legacy::Echo::AsyncService async_;
    int port_ = 0;
    // In the order in which they have to go: the server before its queue.
    std::unique_ptr<grpc::ServerCompletionQueue> queue_;
    std::unique_ptr<grpc::Server> server_;
    std::thread *loop_ = nullptr; // leaked: a child can't join it
};

std::unique_ptr<Server> server;

// --- calls --------------------------------------------------------------------------------------

legacy::Client MakeClient(const std::string &address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return legacy::Client(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

// Returns the pid of the server that answered, or 0.
int64_t Call(legacy::Client *client, const std::string &text) {
    grpc::ClientContext context;
    legacy::SetDeadline(&context);
    Request request;
    request.set_text(text);
    Reply reply;
    const grpc::Status status = client->stub->Unary(&context, request, &reply);
    if (!status.ok()) {
        std::cerr << "call: " << status.error_message() << "\n";
    }
    return status.ok() && reply.text() == text ? reply.pid() : 0;
}

// Calls the parent's server until told to stop. It is connected from the start: later the port may
// be a child's, too.
class Load {
  public:
    explicit Load(const std::string &address) : thread_([this, address] { Run(address); }) {
        called_.Await();
    }

    // Returns when its last call is over.
    void Pause() {
        paused_ = true;
        rests_.Await();
    }

    void Resume() {
        paused_ = false;
        goes_on_.Happen();
    }

    bool Finish() {
        stop_ = true;
        thread_.join();
        Report("parent", "failed calls", failed_);
        return failed_ == 0 && calls_ > 0;
    }

  private:
    void Run(const std::string &address) {
        legacy::Client client = MakeClient(address);
        do {
            calls_++;
            failed_ += Call(&client, "load") == getpid() ? 0 : 1;
            called_.Happen();
            if (paused_) {
                rests_.Happen();
                goes_on_.Await();
            }
        } while (!stop_);
    }

    std::atomic<bool> stop_{false};
    std::atomic<bool> paused_{false};
    int calls_ = 0;
    int failed_ = 0;
    legacy::Event called_;
    legacy::Event rests_;
    legacy::Event goes_on_;
    std::thread thread_;
};

// --- the child ----------------------------------------------------------------------------------

int CountListeningSockets() {
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (const dirent *entry = readdir(directory)) {
        int listening = 0;
        socklen_t size = sizeof(listening);
        const int descriptor = atoi(entry->d_name);
        if (getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0) {
            count += listening;
        }
    }
    closedir(directory);
    return count;
}

// Connections to a port that two processes share go to either: each try is a new one.
bool CallUntilAnsweredHere(const std::string &address) {
    for (int i = 0; i < 200; i++) {
        legacy::Client client = MakeClient(address);
        const int64_t pid = Call(&client, "same port");
        if (pid == 0 || pid == getpid()) {
            return pid == getpid();
        }
    }
    return false;
}

bool Serve(const std::string &kind, int port) {
    Server own(kind, port);
    legacy::Client client = MakeClient(own.address());
    const bool reached =
        port == 0 ? Call(&client, "own") == getpid() : CallUntilAnsweredHere(own.address());
    own.Shutdown();
    own.Wait();
    return reached;
}

bool Work(const std::string &kind, const std::string &what) {
    Report("child", "listening sockets", CountListeningSockets());
    if (what == "shutdown" || what == "deadline") {
        server->DriveQueueInChild();
        if (what == "shutdown") {
            server->Shutdown();
            server->Wait();
        } else {
            server->ShutdownBy(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
        }
        server.reset();
    } else if (what == "wait") {
        server->Wait();
    } else if (what == "destroy") {
        server.reset();
    } else if (what == "client") {
        legacy::Client client = MakeClient(server->address());
        return Call(&client, "from the child") == getppid();
    } else if (what != "exit") {
        return Serve(kind, what == "own" ? 0 : server->port());
    }
    return true;
}

// libgrpc++ counts what an asynchronous server does between taking a request from its queue and
// giving it to the program, and ends the queue when nothing of that is left. A child that is forked
// meanwhile does not have the thread, and waits for the queue's end in vain (docs/limits.md).
bool ChildWorks(const std::string &kind, const std::string &what, Load *load) {
    const bool ends_queue = kind == "async" && (what == "shutdown" || what == "deadline");
    if (ends_queue) {
        load->Pause();
        await_others_asleep();
    }
    const pid_t pid = legacy::StartChild([&] { return Work(kind, what); });
    if (ends_queue) {
        load->Resume();
    }
    return legacy::WaitForChild(pid);
}

} // namespace

int main(int argc, char **argv) {
    std::string kind = "sync";
    std::string what = "exit";
    for (int i = 1; i + 1 < argc; i += 2) {
        (argv[i] == std::string("--server") ? kind : what) = argv[i + 1];
    }
    server = std::make_unique<Server>(kind, 0);
    bool waited_worked = false;
    std::thread waiting([&] {
        legacy::Client client = MakeClient(server->address());
        waited_worked = Call(&client, "wait") == getpid();
    });
    Load load(server->address());
    gate->AwaitEntry();
    const bool child_worked = ChildWorks(kind, what, &load);
    gate->Open();
    waiting.join();
    Report("parent", "call that was being served", waited_worked ? "ok" : "failed");
    const bool all_served = load.Finish();
    server->Shutdown();
    server->Wait();
    return child_worked && waited_worked && all_served ? 0 : 1;
}
