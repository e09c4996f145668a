# --- what a child inherits in the middle of something ----------------------------------------------
# Of the parent's threads only the one that forked goes on in a child. It may come back from where it
# forked into functions of the parent's core. With gevent there is more of the kind: the child has all
# greenlets of that thread.


def is_current(owner):
    return ready[0] and owner is core


def only_here(function):
    """The function, which does nothing in a child of this process."""
    made_in = generation()

    def call(*args, **kwargs):
        if ready[0] and generation() == made_in:
            return function(*args, **kwargs)

    return call


def stay():
    """Leaves a greenlet where it is, like a thread that the child does not have."""
    while True:
        sys.modules["gevent"].get_hub().switch()


# --- plugins ---


def guard_plugins(module):
    """What a plugin of the parent's finds out is for a call of the parent's."""
    original = module._Plugin.__call__

    def call(self, service_url, method_name, callback):
        return original(self, service_url, method_name, only_here(callback))

    module._Plugin.__call__ = call


# --- handlers of servers ---

server_states = weakref.WeakSet()


def note_servers(module):
    original = module._ServerState.__init__

    def make(self, *args, **kwargs):
        original(self, *args, **kwargs)
        if not server_states:
            os.register_at_fork(after_in_child=cancel_handlers)
        server_states.add(self)

    module._ServerState.__init__ = make


def cancel_handlers():
    """The parent answers what its server was asked. In the child its handlers see that the client has
    gone, and whatever they return is not sent."""
    if left_alone:
        return
    for state in server_states:
        for call in state.rpc_states:
            call.client = sys.modules["grpc._server"]._CANCELLED


ADDED = {"grpc._plugin_wrapping": guard_plugins, "grpc._server": note_servers}

# --- gevent ---
# With grpc.experimental.gevent whatever waits for gRPC does so in a native thread of gevent's, and the
# greenlet waits for that. A child has none of these threads.

THREADS = "g_gevent_threadpool"
PLACES = "_available_worker_threads_greenlet_sem"  # of the pool, one for each thread that it may have


class Threads:
    """The pool of native threads, as a core uses it."""

    def __init__(self, pool, owner):
        self._pool = pool
        self._owner = owner
        self._kind_of_tag = owner.module._BatchOperationTag

    def __getattr__(self, name):
        return getattr(self._pool, name)

    def _await_place(self):
        """Waits until the pool has a place for one more, so that its own function need not.

        In a child an answer that came just before the fork frees a place, and gevent's function would go
        on and start a native thread, for what is its parent's to do. (Other ways were weighed. To run
        gevent's function with something between it and the pool costs the parent 14 us a call, this less
        than 1. Nobody leaves a queue of our own while the pool is busy with other work of the program's.)
        """
        while True:
            places = getattr(self._pool, PLACES, None)
            if places is None or not places.locked():
                return
            if sys.modules["gevent"].get_hub() is not self._pool.hub:
                return  # another thread's greenlet, which gevent has do the work itself
            places.acquire()
            places.release()
            if not is_current(self._owner):
                stay()

    def _perform(self, function, args):
        # One that was not begun at fork may begin in the child, by the gevent that is there.
        return function(*args) if is_current(self._owner) else None

    def apply(self, function, args=()):
        try:
            self._await_place()
            result = self._pool.apply(self._perform, (function, args))
            if not is_current(self._owner):
                # A greenlet of the parent's, in the middle of a function of its core: the answer came
                # just before the fork. (Where they went on, 1 to 3 of 100 children crashed.)
                stay()
            return result
        except BaseException as error:
            if is_current(self._owner) or not waits_for_event(args):
                raise
            return leave_core(self._kind_of_tag, error), None


def waits_for_event(args):
    return bool(args) and type(args[0]).__name__ == "_LatentEventArg"


def leave_core(kind_of_tag, error):
    """An event's tag by which the error goes through the core's functions, and they do nothing.

    It comes when the child ends or interrupts a greenlet of its parent's. What waits for an event takes
    back the call if it is interrupted, in the parent's core: 17 of 150 children crashed of it. But
    what looks at an event first asks for the tag's hash.
    """

    def leave(self):
        raise error

    tag = type("Leave", (kind_of_tag,), {"__hash__": leave})(None, None, None)
    # Its memory is the parent's core's to give back, which it does not, and so it needs its type.
    kept.append(tag)
    return tag


def await_new_threads():
    """Has gevent wait for a native thread that it starts until that runs, as threading.Thread does.

    Python before 3.11.6 frees, when a process ends, what a thread that is on its way needs (gh-108987).
    That thread then ends the process by SIGSEGV, or by "Couldn't create autoTSSkey mapping". A child
    that makes one call and ends starts two threads in the last millisecond. On a busy machine, and with
    freed memory overwritten, 9 of 300 crashed when greenlets of their parent's started some as well,
    and still 2 of 240 when these did not.
    """
    module = sys.modules.get("gevent.threadpool")
    start = getattr(module, "start_new_thread", None)
    if start is None or getattr(start, "__module__", None) == __name__:
        return  # another gevent, or done by a process that this one comes from
    from gevent.monkey import get_original
    make_lock = get_original("_thread", "allocate_lock")

    def start_new_thread(function, args, *kwargs):
        if sys.is_finalizing():
            return start(function, args, *kwargs)  # it will never run
        awaited = make_lock()
        awaited.acquire()

        def run(*args, **kwargs):
            awaited.release()
            return function(*args, **kwargs)

        identity = start(run, args, *kwargs)
        awaited.acquire()
        return identity

    module.start_new_thread = start_new_thread


def adapt_gevent(owner):
    names = vars(owner.module)
    names[THREADS] = Threads(names[THREADS], owner)
    if dead:
        await_new_threads()
    enter_generator, leave_generator = (names["enter_user_request_generator"],
                                        names["return_from_user_request_generator"])

    # Around the program's own code that makes a call's requests.
    def enter_user_request_generator():
        requests.generation = core.generation
        enter_generator()

    def return_from_user_request_generator():
        begun_in = vars(requests).pop("generation", None)
        if begun_in is not None and (not ready[0] or begun_in != core.generation):
            stay()
        leave_generator()

    owner.exchange({
        "enter_user_request_generator": enter_user_request_generator,
        "return_from_user_request_generator": return_from_user_request_generator
    })


requests = threading.local()  # gevent's, so of a greenlet
