// A plugin with a spinlock of abseil's, and with data of its own.

#include <absl/base/internal/spinlock.h>

extern "C" {

int spinlock_plugin_data[16384] = {1};

void spinlock_plugin_use() {
    static absl::base_internal::SpinLock lock;
    lock.Lock();
    spinlock_plugin_data[0]++;
    lock.Unlock();
}

} // extern "C"
