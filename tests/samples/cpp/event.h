// What one thread waits for and another makes happen.

#ifndef EVENT_H
#define EVENT_H

#include <condition_variable>
#include <mutex>

namespace legacy {

class Event {
  public:
    void Happen() {
        const std::lock_guard<std::mutex> lock(mutex_);
        happened_ = true;
        changed_.notify_all();
    }

    void Await() {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return happened_; });
    }

    bool HasHappened() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return happened_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool happened_ = false;
};

} // namespace legacy

#endif
