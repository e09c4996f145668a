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


class Threads:
    """The pool of native threads, as a core uses it."""

    def __init__(self, pool, owner):
        self._pool = pool
        self._owner = owner
        self._kind_of_tag = owner.module._BatchOperationTag

    def __getattr__(self, name):
        return getattr(self._pool, name)

    def _perform(self, function, args):
        # One that was not begun at fork may begin in the child, by the gevent that is there.
        return function(*args) if is_current(self._owner) else None

    def apply(self, function, args=()):
        try:
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


def adapt_gevent(owner):
    names = vars(owner.module)
    names[THREADS] = Threads(names[THREADS], owner)
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
