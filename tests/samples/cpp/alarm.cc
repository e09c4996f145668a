// Alarms that a child inherits while they run, on a queue or with a function, and alarms that it
// sets itself.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <grpcpp/alarm.h>

#include "legacy.h"

namespace {

using std::chrono::milliseconds;

std::chrono::system_clock::time_point In(milliseconds time) {
    return std::chrono::system_clock::now() + time;
}

// A tag by its number.
void *Tag(int number) {
    return reinterpret_cast<void *>(static_cast<intptr_t>(number));
}

// The next event of the queue as `NUMBER fired`, `NUMBER failed`, or what else came of it.
std::string Next(grpc::CompletionQueue *queue) {
    void *tag = nullptr;
    bool ok = false;
    switch (queue->AsyncNext(&tag, &ok, In(milliseconds(30000)))) {
    case grpc::CompletionQueue::GOT_EVENT:
        return std::to_string(reinterpret_cast<intptr_t>(tag)) + (ok ? " fired" : " failed");
    case grpc::CompletionQueue::SHUTDOWN:
        return "shutdown";
    default:
        return "timeout";
    }
}

bool Expect(const std::string &who, grpc::CompletionQueue *queue, const std::string &expected) {
    const std::string event = Next(queue);
    legacy::Report(who, "alarm", event);
    return event == expected;
}

// Functions were experimental up to gRPC 1.3x.
template <typename Alarm, typename Time>
auto SetFunction(Alarm *alarm, const Time &time, const std::function<void(bool)> &function, int)
    -> decltype(alarm->Set(time, function)) {
    alarm->Set(time, function);
}

template <typename Alarm, typename Time>
void SetFunction(Alarm *alarm, const Time &time, const std::function<void(bool)> &function, long) {
    alarm->experimental().Set(time, function);
}

void SetFunction(grpc::Alarm *alarm, milliseconds time, const std::function<void(bool)> &function) {
    SetFunction(alarm, In(time), function, 0);
}

// Waits for a function that an alarm calls.
class Called {
  public:
    std::function<void(bool)> Function() {
        return [this](bool ok) {
            const std::lock_guard<std::mutex> lock(mutex_);
            outcome_ = ok ? "fired" : "failed";
            changed_.notify_all();
        };
    }

    std::string Outcome() {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait_for(lock, std::chrono::seconds(30), [this] { return !outcome_.empty(); });
        return outcome_.empty() ? "timeout" : outcome_;
    }

    bool Expect(const std::string &who, const std::string &expected) {
        const std::string outcome = Outcome();
        legacy::Report(who, "function", outcome);
        return outcome == expected;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string outcome_;
};

bool ShutDown(const std::string &who, grpc::CompletionQueue *queue) {
    queue->Shutdown();
    return Expect(who, queue, "shutdown");
}

// They run at the fork, one in gRPC's heap of those that are due soon, one in its list of the
// others.
constexpr milliseconds kSoon(1500);
constexpr milliseconds kLate(4000);
// What is cancelled before it is due.
constexpr milliseconds kNever(100000);

bool RunQueue(bool cancel_first, bool set_again) {
    grpc::CompletionQueue queue;
    auto soon = std::make_unique<grpc::Alarm>();
    auto late = std::make_unique<grpc::Alarm>();
    soon->Set(&queue, In(kSoon), Tag(1));
    late->Set(&queue, In(kLate), Tag(2));
    const bool child_worked = legacy::WaitForChild(legacy::StartChild([&] {
        if (cancel_first) {
            soon->Cancel();
            late.reset();
        }
        // In either order.
        std::set<std::string> events = {Next(&queue), Next(&queue)};
        for (const std::string &event : events) {
            legacy::Report("child", "alarm", event);
        }
        bool worked = events == std::set<std::string>{"1 failed", "2 failed"};
        grpc::Alarm own;
        own.Set(&queue, In(milliseconds(10)), Tag(3));
        worked = Expect("child", &queue, "3 fired") && worked;
        if (set_again) {
            soon->Set(&queue, In(milliseconds(10)), Tag(4));
            worked = Expect("child", &queue, "4 fired") && worked;
        }
        own.Set(&queue, In(kNever), Tag(5));
        own.Cancel();
        worked = Expect("child", &queue, "5 failed") && worked;
        soon.reset();
        late.reset();
        return ShutDown("child", &queue) && worked;
    }));
    bool worked = Expect("parent", &queue, "1 fired");
    worked = Expect("parent", &queue, "2 fired") && worked;
    return ShutDown("parent", &queue) && worked && child_worked;
}

// The alarm's tag is in the queue, and nobody has taken it yet.
bool RunFired() {
    grpc::CompletionQueue queue;
    grpc::CompletionQueue other;
    grpc::Alarm alarm;
    grpc::Alarm later;
    alarm.Set(&queue, In(milliseconds(1)), Tag(1));
    later.Set(&other, In(milliseconds(100)), Tag(2));
    bool worked = Expect("parent", &other, "2 fired");
    const bool child_worked = legacy::WaitForChild(legacy::StartChild([&] {
        return Expect("child", &queue, "1 failed") && ShutDown("child", &queue) &&
               ShutDown("child", &other);
    }));
    worked = Expect("parent", &queue, "1 fired") && worked;
    return ShutDown("parent", &queue) && ShutDown("parent", &other) && worked && child_worked;
}

bool RunFunction(bool destroy_first) {
    Called soon_called;
    Called late_called;
    auto soon = std::make_unique<grpc::Alarm>();
    auto late = std::make_unique<grpc::Alarm>();
    SetFunction(soon.get(), kSoon, soon_called.Function());
    SetFunction(late.get(), kLate, late_called.Function());
    const bool child_worked = legacy::WaitForChild(legacy::StartChild([&] {
        if (destroy_first) {
            soon.reset();
            late.reset();
        }
        // A first use of gRPC.
        Called own_called;
        grpc::Alarm own;
        SetFunction(&own, milliseconds(10), own_called.Function());
        bool worked = own_called.Expect("child", "fired");
        worked = soon_called.Expect("child", "failed") && worked;
        return late_called.Expect("child", "failed") && worked;
    }));
    const bool worked =
        soon_called.Expect("parent", "fired") && late_called.Expect("parent", "fired");
    return worked && child_worked;
}

// Forks while threads do something all the time that counts what failed. True where nothing did,
// and all children's work was done.
bool ForkUnderThreads(
    const std::function<void(const std::atomic<bool> &over, std::atomic<int> *failed)> &body,
    const std::function<bool()> &work) {
    constexpr int kThreads = 4;
    constexpr int kForks = 100;
    std::atomic<bool> over{false};
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; i++) {
        threads.emplace_back([&] { body(over, &failed); });
    }
    int worked = 0;
    for (int i = 0; i < kForks; i++) {
        worked += legacy::WaitForChild(legacy::StartChild(work));
    }
    over = true;
    for (std::thread &thread : threads) {
        thread.join();
    }
    legacy::Report("children", "worked", worked);
    legacy::Report("parent", "failed", failed);
    return worked == kForks && failed == 0;
}

// Threads set alarms, cancel them and have them fire.
bool RunThreads() {
    const auto body = [](const std::atomic<bool> &over, std::atomic<int> *failed) {
        grpc::CompletionQueue queue;
        while (!over) {
            grpc::Alarm alarm;
            alarm.Set(&queue, In(milliseconds(1)), Tag(1));
            *failed += Next(&queue) == "1 fired" ? 0 : 1;
            alarm.Set(&queue, In(kNever), Tag(2));
            alarm.Cancel();
            *failed += Next(&queue) == "2 failed" ? 0 : 1;
        }
    };
    grpc::CompletionQueue queue;
    grpc::Alarm inherited;
    inherited.Set(&queue, In(kNever), Tag(1));
    const bool worked = ForkUnderThreads(body, [&] {
        grpc::Alarm own;
        const bool came_back = Expect("child", &queue, "1 failed");
        own.Set(&queue, In(milliseconds(1)), Tag(2));
        return Expect("child", &queue, "2 fired") && came_back;
    });
    inherited.Cancel();
    return Expect("parent", &queue, "1 failed") && worked;
}

// Functions of alarms that are set, cancelled and called by gRPC's threads while the program forks.
// Each child has those that ran called as failed, and sets one of them again. What they refer to is
// not on the stacks of threads that the children don't have.
bool RunFunctionThreads() {
    const auto body = [](const std::atomic<bool> &over, std::atomic<int> *failed) {
        while (!over) {
            const auto soon_called = std::make_unique<Called>();
            const auto late_called = std::make_unique<Called>();
            grpc::Alarm soon;
            grpc::Alarm late;
            SetFunction(&soon, milliseconds(1), soon_called->Function());
            SetFunction(&late, kNever, late_called->Function());
            late.Cancel();
            *failed += soon_called->Outcome() == "fired" ? 0 : 1;
            *failed += late_called->Outcome() == "failed" ? 0 : 1;
        }
    };
    Called inherited_called;
    grpc::Alarm inherited;
    SetFunction(&inherited, kNever, inherited_called.Function());
    const bool worked = ForkUnderThreads(body, [&] {
        grpc::CompletionQueue first_use;
        const bool was_called = inherited_called.Expect("child", "failed");
        Called own_called;
        SetFunction(&inherited, milliseconds(1), own_called.Function());
        return own_called.Expect("child", "fired") && was_called;
    });
    inherited.Cancel();
    return inherited_called.Expect("parent", "failed") && worked;
}

// Alarms that don't run when the program forks, and are set in its child and its grandchild; there
// one is running again by then.
bool RunGenerations() {
    grpc::CompletionQueue queue;
    grpc::Alarm unset;
    grpc::Alarm fired;
    grpc::Alarm function;
    fired.Set(&queue, In(milliseconds(1)), Tag(1));
    bool worked = Expect("parent", &queue, "1 fired");
    const auto use = [&](const std::string &who) {
        unset.Set(&queue, In(milliseconds(1)), Tag(2));
        bool all = Expect(who, &queue, "2 fired");
        fired.Set(&queue, In(milliseconds(1)), Tag(3));
        all = Expect(who, &queue, "3 fired") && all;
        Called called;
        SetFunction(&function, milliseconds(1), called.Function());
        return called.Expect(who, "fired") && all;
    };
    const bool child_worked = legacy::WaitForChild(legacy::StartChild([&] {
        bool child = use("child");
        unset.Set(&queue, In(kNever), Tag(4));
        const bool grandchild_worked = legacy::WaitForChild(legacy::StartChild([&] {
            const bool came_back = Expect("grandchild", &queue, "4 failed");
            return use("grandchild") && came_back;
        }));
        unset.Cancel();
        return Expect("child", &queue, "4 failed") && child && grandchild_worked;
    }));
    return use("parent") && worked && child_worked;
}

// The child gives everything back and ends.
bool RunUnused() {
    grpc::CompletionQueue queue;
    auto soon = std::make_unique<grpc::Alarm>();
    auto late = std::make_unique<grpc::Alarm>();
    auto function = std::make_unique<grpc::Alarm>();
    soon->Set(&queue, In(kSoon), Tag(1));
    late->Set(&queue, In(kLate), Tag(2));
    Called called;
    SetFunction(function.get(), kLate, called.Function());
    const bool child_worked = legacy::WaitForChild(legacy::StartChild([&] {
        soon->Cancel();
        soon.reset();
        late.reset();
        function.reset();
        return true;
    }));
    bool worked = Expect("parent", &queue, "1 fired");
    worked = Expect("parent", &queue, "2 fired") && worked;
    worked = called.Expect("parent", "fired") && worked;
    return ShutDown("parent", &queue) && worked && child_worked;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "(ADDRESS is what is done)");
    const std::string &what = command.address();
    if (what == "queue" || what == "cancel" || what == "again") {
        return RunQueue(what == "cancel", what == "again") ? 0 : 1;
    }
    if (what == "function" || what == "destroy") {
        return RunFunction(what == "destroy") ? 0 : 1;
    }
    if (what == "fired") {
        return RunFired() ? 0 : 1;
    }
    if (what == "threads") {
        return RunThreads() ? 0 : 1;
    }
    if (what == "function-threads") {
        return RunFunctionThreads() ? 0 : 1;
    }
    if (what == "generations") {
        return RunGenerations() ? 0 : 1;
    }
    if (what == "unused") {
        return RunUnused() ? 0 : 1;
    }
    command.Refuse();
}
