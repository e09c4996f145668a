# What Python programs do to get children: subprocess, multiprocessing, os.fork, threads that fork.
import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
import threading


def square(number):
    return number * number


def descriptors():
    return sorted(int(name) for name in os.listdir("/proc/self/fd"))


def fork_and_wait(status):
    child = os.fork()
    if child == 0:
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


print("descriptors", descriptors())
# Since 3.14 others are the default.
by_fork = multiprocessing.get_context("fork")
with by_fork.Pool(4) as pool:
    print("pool", pool.map(square, range(20)))
with concurrent.futures.ProcessPoolExecutor(2, mp_context=by_fork) as executor:
    print("executor", list(executor.map(square, range(10))))
results = []
threads = [threading.Thread(target=lambda n=n: results.append(fork_and_wait(n))) for n in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("threads", sorted(results))
reading, writing = os.pipe()
process = subprocess.run([sys.executable, "-c", f"import os; os.write({writing}, b'through')"],
                         pass_fds=[writing], check=True)
print("passed", os.read(reading, 100))
print("output", subprocess.check_output(["sh", "-c", "echo $0; exec ls /proc/self/fd | wc -l"], text=True))
print("popen", [subprocess.Popen(["true"]).wait() for _ in range(50)].count(0))
print("status", subprocess.call("exit 7", shell=True))
os.close(reading)
os.close(writing)
print("descriptors", descriptors())
