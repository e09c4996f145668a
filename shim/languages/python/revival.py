"""Makes grpcio survive fork().  Runs inside the program, brought in by grpcforkshim.

grpcio keeps gRPC's core inside one extension module, grpc._cython.cygrpc.  A forked child inherits
its memory but none of its threads, so no code of it may run there.  The child imports a second
copy of the module instead, whose core is as new, when it first uses grpc:

  record   in every process: how the core's objects were made (channels, credentials, ...)
  enter    the functions of grpc that a program calls ask first whether this is a new child
  revive   in a child: import the copy, bind names to it that were bound to the old one
  adopt    in a child: an object of grpc's own Python layer that was made before the fork gets the
           core's objects of this process, made again from the record; calls are over

What is known of grpcio's inside stands in the tables below; what they name is looked for when it
is loaded, and if it isn't there grpcio is left alone.

The shim provides: ready (a word of memory that the kernel clears in every child), and the functions
generation, begin_child, guard, disguise, share_code, find_names, count_channel, count_call, tell,
inform, leave_alone (languages/python/python.c).
"""

import atexit
import functools
import gc
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import threading
import weakref

CYGRPC = "grpc._cython.cygrpc"
PACKAGE = "grpc._cython."

ENDED = "The call was open when the process forked: it belongs to the parent (grpcforkshim)"

# Classes of cygrpc's whose objects are recorded with the arguments that they were made with; all
# that are derived from one of BASES are, too, and what functions named like FACTORIES return.
RECORDED = ("Channel", "AioChannel", "SslPemKeyCertPair", "SSLSessionCacheLRU")
BASES = ("ChannelCredentials", "CallCredentials", "ServerCredentials", "ServerCertificateConfig")
FACTORIES = ("credentials", "certificate_config")

# What else of cygrpc's functions begins so is called by programs, and may be a child's first use.
ENTERING = ("channelz_", "dump_xds_configs", "init_grpc_aio", "shutdown_grpc_aio")

# Classes of which a child may make an object before it uses anything else, but that have no record:
# those of other processes are not made again.
NOTICED = ("Server", "CompletionQueue", "AioServer")

# What cygrpc must have besides.
NEEDED = RECORDED[:2] + BASES + NOTICED + ("IntegratedCall", "SegregatedCall",
                                           "is_fork_support_enabled", "StatusCode")


class Unknown(Exception):
    """This grpcio's inside is not as expected."""


class Unavailable(RuntimeError):
    """This process can't have a core of its own."""


# --- the core's objects, recorded ------------------------------------------------------------------


class Core:
    """One copy of cygrpc: what the program imported, or a child's own."""

    def __init__(self, module, path, generation):
        self.module = module
        self.path = path
        self.generation = generation
        self.types = set()
        self.made_by_functions = Records()
        self.before = {}  # names of the module's: what they were
        self.settings = {}  # names of functions: what they were called with
        self.setting = False  # whether one of them is running

    def exchange(self, names):
        """Gives names of the module, which its own code goes by, another meaning."""
        for name, value in names.items():
            if name in vars(self.module):
                self.before.setdefault(name, vars(self.module)[name])
                vars(self.module)[name] = value

    def restore(self):
        vars(self.module).update(self.before)

    def owns(self, value):
        """Whether a global of the module was made by it, and is not merely imported."""
        return (getattr(value, "__module__", None) == CYGRPC or type(value) in self.types
                or getattr(type(value), "__module__", None) == CYGRPC)


class Records:
    """How objects were made that can't carry a note of it themselves.

    They can't be referred to weakly either, so what nobody else refers to is thrown out now and
    then.
    """

    def __init__(self):
        self._records = {}
        self._limit = 64

    def add(self, made, record):
        if len(self._records) >= self._limit:
            self._sweep()
        self._records[id(made)] = (made, record)

    def find(self, made):
        entry = self._records.get(id(made))
        return entry[1] if entry is not None else None

    def _sweep(self):
        for key in list(self._records):
            entry = self._records.get(key)
            # The entry's own reference, and that of the call.
            if entry is not None and sys.getrefcount(entry[0]) <= 2:
                del self._records[key]
        self._limit = max(64, 2 * len(self._records))


class Surroundings:
    """A module as cygrpc sees it: some functions are others for it alone."""

    def __init__(self, module, **functions):
        vars(self).update(functions, _module=module)

    def __getattr__(self, name):
        return getattr(self._module, name)


def ignore(*args, **kwargs):
    pass


def at_exit(function, *args, **kwargs):
    """What a core has to do at the end is done by the process whose core it is."""
    atexit.register(only_here(function), *args, **kwargs)


# What upstream's fork handlers do is switched by a global name of cygrpc's, by the environment, or by
# whatever comes; but there is one way by which they are registered. Their switch alone, which was
# set off here at first, is a program's to set on again: upstream's own tests do.
SURROUNDINGS = {
    "os": Surroundings(os, register_at_fork=ignore),
    "atexit": Surroundings(atexit, register=at_exit),
}

core = None  # this process's
left_alone = False  # because of an inside that is not known
inherited = False  # whether objects of another process's core may be around
dead = {}  # type -> the core, of a process that this one comes from
replacements = {}  # id -> the object of a dead core (which lives as long) and its replacement


def noticing_class(name, original):
    """A class like the original that notices when the first object is made in a child."""

    def make(cls, *args, **kwargs):
        enter()
        adapt_loaded()
        if cls in dead:
            return getattr(core.module, name)(*args, **kwargs)
        return original.__new__(cls, *args, **kwargs)

    return derive(original, {"__slots__": (), "__new__": make})


def derive(original, names):
    names.update(__module__=original.__module__, __qualname__=original.__qualname__,
                 __doc__=original.__doc__)
    return type(original)(original.__name__, (original,), names)


def recording_class(name, original):
    """A class like the original whose objects remember how they were made and whether they were
    closed."""

    def make(cls, *args, **kwargs):
        enter()
        adapt_loaded()
        if cls in dead:
            return getattr(core.module, name)(*args, **kwargs)
        if inherited:
            args, kwargs = renew(args), renew(kwargs)
        made = original.__new__(cls, *args, **kwargs)
        made._grpcforkshim_record = (name, args, kwargs)
        made._grpcforkshim_closed = None
        return made

    names = {
        "__slots__": ("_grpcforkshim_record", "_grpcforkshim_closed"),
        "__new__": make,
    }
    if hasattr(original, "close"):

        def close(self, *args):
            self._grpcforkshim_closed = args
            return original.close(self, *args)

        names["close"] = close
    return derive(original, names)


def recording_function(name, original, records):

    @functools.wraps(original)
    def make(*args, **kwargs):
        enter()
        if records is not core.made_by_functions:
            return getattr(core.module, name)(*args, **kwargs)
        if inherited:
            args, kwargs = renew(args), renew(kwargs)
        made = original(*args, **kwargs)
        records.add(made, (name, args, kwargs))
        return made

    return make


def entering_function(name, original, owner):

    @functools.wraps(original)
    def call(*args, **kwargs):
        enter()
        if owner is not core:
            return getattr(core.module, name)(*args, **kwargs)
        return original(*args, **kwargs)

    return call


def record_of(value):
    return (getattr(value, "_grpcforkshim_record", None)
            or dead[type(value)].made_by_functions.find(value))


def adapt_core(module, path, generation):
    """Prepares a copy of cygrpc."""
    names = vars(module)
    for name in NEEDED:
        if name not in names:
            raise Unknown(f"cygrpc has no {name}")
    new = Core(module, path, generation)
    new.exchange(dict(SURROUNDINGS, _GRPC_ENABLE_FORK_SUPPORT=False))
    if module.is_fork_support_enabled():
        new.restore()
        raise Unknown("cygrpc's own fork support can't be switched off")
    bases = tuple(names[name] for name in BASES)
    for name, value in list(names.items()):
        if isinstance(value, type) and value.__module__ == CYGRPC:
            guard(value)
            new.types.add(value)
            if name in RECORDED or (issubclass(value, bases) and value not in bases):
                names[name] = recording_class(name, value)
            elif name in NOTICED:
                names[name] = noticing_class(name, value)
            new.types.add(names[name])
        elif callable(value) and not name.startswith("_") and any(
                part in name for part in FACTORIES):
            names[name] = recording_function(name, value, new.made_by_functions)
        elif callable(value) and name in SETTING:
            names[name] = setting_function(name, value, new)
        elif callable(value) and name.startswith(ENTERING):
            names[name] = entering_function(name, value, new)
    return new


# --- a core for this process -----------------------------------------------------------------------

locks = {}  # by process: one that is inherited may be held by a thread that is not there
reviving = None  # the process that is at it
file_identity = None  # of the program's cygrpc
sought = set()  # modules that cygrpc tried to import from its own package


def identify(path):
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def enter():
    """To be called before anything of the core is used."""
    if not ready[0] and not left_alone:
        revive()


def revive():
    global reviving
    process = os.getpid()
    with locks.setdefault(process, threading.RLock()):
        if ready[0] or reviving == process:
            return  # another thread did it, or this one is at it
        reviving = process
        try:
            bring_back(begin_child())
        except Exception as error:
            raise Unavailable(
                f"gRPC can't be used in this forked child: {error} (grpcforkshim)") from error
        finally:
            reviving = None
        ready[0] = 1


def bring_back(generation):
    global core, inherited
    old = core
    # A garbage collection writes to every object there is, and so to pages that fork() shares.
    collecting = gc.isenabled()
    gc.disable()
    try:
        module = import_copy(old.path, generation)
        new = adapt_core(module, old.path, generation)
        for kind in old.types:
            dead[kind] = old
        replacements.clear()
        core, inherited = new, True
        set_again(old, new)
        rebind(old, new)
        cancel_handlers()
    finally:
        if collecting:
            gc.enable()
    inform(f"cygrpc imported anew, generation {generation}")


def import_copy(path, generation):
    """Imports the module's file anew.  The loader knows a file by its name and by its inode.  It
    is told that the loaded one has another inode; where that is not possible, a copy of the file
    is loaded."""
    original = open_loaded(path)
    copy = -1
    hidden = disguise(original, True)
    try:
        if not hidden:
            copy = copy_file(original)
        # Each generation's name is another: the numbers of descriptors come back.
        name = "/proc/self/fd/" + "./" * generation + str(original if hidden else copy)
        loader = importlib.machinery.ExtensionFileLoader(CYGRPC, name)
        spec = importlib.util.spec_from_file_location(CYGRPC, name, loader=loader)
        flags = sys.getdlopenflags()
        # Where sys.modules says None, nothing is looked for in the file system.
        absent = [name for name in sought if name not in sys.modules]
        sys.modules.update(dict.fromkeys(absent))
        sys.setdlopenflags(os.RTLD_NOW | os.RTLD_LOCAL)
        try:
            module = importlib.util.module_from_spec(spec)
            loader.exec_module(module)
        finally:
            sys.setdlopenflags(flags)
            for name in absent:
                sys.modules.pop(name, None)
        if not hidden:
            share_code(original, copy)
        return module
    finally:
        if hidden:
            disguise(original, False)
        os.close(original)
        if copy >= 0:
            os.close(copy)


def open_loaded(path):
    """Opens the file that was loaded, also where another is at its path by now: a package that is
    upgraded while the program runs."""
    file = open_same(path)
    for area in mapped_areas() if file is None else ():
        file = open_same(f"/proc/self/map_files/{area}")  # needs a capability
        if file is not None:
            break
    if file is None:
        raise Unavailable(f"{path} is not the file any more that was loaded")
    return file


def open_same(path):
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    if identify(file) == file_identity:
        return file
    os.close(file)
    return None


def mapped_areas():
    """Where the loaded file is in memory, as the names in /proc/self/map_files."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        fields = [line.split(maxsplit=5) for line in maps]
    return [area for area, _, _, _, inode, *_ in fields if int(inode) == file_identity[1]]


def make_nameless_file():
    """A file in memory; before Linux 3.17, or where Python was built with an old C library, one that
    nobody sees, in a directory that programs may be mapped from."""
    try:
        return os.memfd_create("cygrpc", os.MFD_CLOEXEC)
    except (AttributeError, OSError):
        pass
    for directory in "/dev/shm", os.environ.get("TMPDIR", "/tmp"), "/var/tmp":
        path = f"{directory}/grpcforkshim.{os.urandom(16).hex()}"
        try:
            if os.statvfs(directory).f_flag & os.ST_NOEXEC:
                continue
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            continue
        os.unlink(path)
        return file
    raise Unavailable("there is no place for a copy of cygrpc")


def copy_file(original):
    copy = make_nameless_file()
    size, done = os.fstat(original).st_size, 0
    while done < size:
        count = os.sendfile(copy, original, done, size - done)
        if count == 0:
            raise Unavailable("cygrpc's file became shorter")
        done += count
    return copy


def rebind(old, new):
    """Binds the names of all modules to the new core that were bound to the old one, and gives
    grpc's own modules fresh locks."""
    # gevent may have put others in their place since, and before some of grpc's were made.
    FRESH.update(kinds_of_locks())
    before, after = vars(old.module), vars(new.module)
    sys.modules[CYGRPC] = new.module
    exchange = {id(old.module): (old.module, new.module)}
    for name, value in before.items():
        if name in after and not name.startswith("__") and old.owns(value):
            exchange[id(value)] = value, after[name]
    for names, key in find_names(*(value for value, _ in exchange.values()), *FRESH):
        value = names[key]
        if id(value) in exchange:
            names[key] = exchange[id(value)][1]
        elif type(value) in FRESH:
            names[key] = FRESH[type(value)](value)
    # A cache of channels, with a thread that throws out old ones.
    stubs = sys.modules.get("grpc._simple_stubs")
    if stubs is not None:
        cache = stubs.ChannelCache
        cache._lock = threading.RLock()
        cache._condition = threading.Condition(cache._lock)
        cache._eviction_ready = threading.Event()
        cache._singleton = None
    # For whoever holds the module in some other place.
    before.update((name, value) for name, value in after.items() if not name.startswith("__"))


# --- locks that a thread may hold that is not there ------------------------------------------------


def fresh_event(old):
    event = threading.Event()
    if old.is_set():
        event.set()
    return event


def kinds_of_locks():
    return {
        type(threading.Lock()): lambda old: threading.Lock(),
        type(threading.RLock()): lambda old: threading.RLock(),
        threading.Condition: lambda old: threading.Condition(),
        threading.Event: fresh_event,
    }


FRESH = kinds_of_locks()


def refresh_locks(holder):
    for name, value in attributes(holder):
        if type(value) in FRESH:
            setattr(holder, name, FRESH[type(value)](value))


# --- objects of grpc's Python layer ----------------------------------------------------------------

adopting = {}  # by generation: a lock


def renew(value):
    """The same value with objects of this process's core in the place of others'."""
    kind = type(value)
    if kind in dead:
        return replacement(value)
    if kind in (tuple, list):
        return kind(map(renew, value))
    if kind is dict:
        return {key: renew(item) for key, item in value.items()}
    adopt(value)
    return value


def replacement(value):
    entry = replacements.get(id(value))
    if entry is None:
        record = record_of(value)
        if record is None:
            made = stand_in(value)
        else:
            name, args, kwargs = record
            args = renew(args)
            if name == "AioChannel":
                args = args[:-1] + (core.module.get_working_loop(),)
            made = getattr(core.module, name)(*args, **renew(kwargs))
            if name in ("Channel", "AioChannel"):
                count_channel()
            closed = getattr(value, "_grpcforkshim_closed", None)
            if closed is not None:
                made.close(*closed)
            elif name == "Channel":
                count_channel_for_gevent()
        entry = replacements.setdefault(id(value), (value, made))
    return entry[1]


def is_layer(kind):
    """Whether a class or function is one of grpc's Python layer."""
    return (kind.__module__ or "").partition(".")[0] == "grpc"


slots = {}  # by class


def attributes(holder):
    """The attributes of an object, in its dictionary and in its slots."""
    found = list(getattr(holder, "__dict__", {}).items())
    kind = type(holder)
    names = slots.get(kind)
    if names is None:
        names = slots[kind] = [
            name for base in kind.__mro__ for name, value in vars(base).items()
            if inspect.ismemberdescriptor(value) and is_layer(kind)
        ]
    for name in names:
        try:
            found.append((name, getattr(holder, name)))
        except AttributeError:
            pass  # not set
    return found


def holds_dead(holder):
    return any(type(value) in dead for _, value in attributes(holder))


def adopt(holder):
    """Makes an object that was made before the fork one of this process."""
    if not is_layer(type(holder)):
        return
    if not holds_dead(holder):
        # What holds it may have something: a future has a channel, a server its state.
        for name in ("_channel", "_state"):
            held = getattr(holder, name, None)
            if held is not None and is_layer(type(held)) and holds_dead(held):
                adopt(held)
                refresh_locks(holder)
        return
    with adopting.setdefault(core.generation, threading.RLock()):
        if holds_dead(holder):
            take_over(holder)


def take_over(holder):
    names = [f"{base.__module__}.{base.__name__}" for base in type(holder).__mro__]
    settle = next((SETTLE[name] for name in names if name in SETTLE), None)
    lost = {}
    for name, value in attributes(holder):
        if type(value) in dead:
            lost[name] = value
            setattr(holder, name, replacement(value))
    refresh_locks(holder)
    for name, value in attributes(holder):
        adopt(value)
        if inspect.isfunction(value) and is_layer(value):
            for cell in value.__closure__ or ():
                adopt(cell.cell_contents)
    if settle is not None:
        settle(holder, lost)


# --- what differs from object to object ------------------------------------------------------------


class EndedCall:
    """Stands in for a call of the core's that was open at fork, or done."""

    def operate(self, operations, tag):
        return False

    def cancel(self, *unused):
        return False

    def next_event(self):
        raise Unavailable(ENDED)


class EndedServer:
    """Stands in for a server that goes on in the parent."""

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        def refuse(*args, **kwargs):
            raise ValueError("The server was running when the process forked: it belongs to the "
                             "parent (grpcforkshim)")

        return refuse


class Nothing:
    """Stands in for anything else that can't be made again."""


class EndedAioCall:
    """Stands in for a call of grpc.aio's: with its end, if it had come to that."""

    def __init__(self, value):
        self._initial_metadata = value._initial_metadata or ()
        self._status = value._status
        if self._status is None:
            count_call()
            self._status = core.module.AioRpcStatus(core.module.StatusCode.cancelled, ENDED, (),
                                                    None)

    def done(self):
        return True

    def cancelled(self):
        return False

    def is_locally_cancelled(self):
        return False

    def is_ok(self):
        return self._status.code() == core.module.StatusCode.ok

    def cancel(self, details):
        return False

    def time_remaining(self):
        return None

    def add_done_callback(self, callback):
        callback()

    async def status(self):
        return self._status

    async def initial_metadata(self):
        return self._initial_metadata

    async def receive_serialized_message(self):
        return core.module.EOF


class EndedAioServer(EndedServer):

    def is_running(self):
        return False

    async def shutdown(self, grace):
        return None

    async def wait_for_termination(self, timeout):
        return True


STAND_INS = {
    "IntegratedCall": lambda value: EndedCall(),
    "SegregatedCall": lambda value: EndedCall(),
    "Server": lambda value: EndedServer(),
    "CompletionQueue": lambda value: EndedServer(),
    "AioServer": lambda value: EndedAioServer(),
    "_AioCall": EndedAioCall,
}


def stand_in(value):
    return STAND_INS.get(type(value).__name__, lambda value: Nothing())(value)


def settle_call(rendezvous, lost):
    state = rendezvous._state
    refresh_locks(state)
    channel = sys.modules["grpc._channel"]
    if state.code is None:
        count_call()
        channel._abort(state, sys.modules["grpc"].StatusCode.CANCELLED, ENDED)
    state.due.clear()
    state.callbacks = []


def settle_callable(multicallable, lost):
    if getattr(multicallable, "_registered_call_handle", None) is not None:
        multicallable._registered_call_handle = multicallable._channel.get_registered_call_handle(
            multicallable._method)


def settle_channel(channel, lost):
    handles = getattr(channel, "_registered_call_handles", None)
    if handles:
        handles.clear()


def settle_call_state(state, lost):
    state.managed_calls = 0


def settle_connectivity(state, lost):
    """Subscriptions go on, with the states of the new connection."""
    connect = (state.try_to_connect or getattr(state, "_grpcforkshim_connect", False)
               or state.connectivity not in (None, sys.modules["grpc"].ChannelConnectivity.IDLE))
    callbacks = [callback for callback, _ in state.callbacks_and_connectivities]
    state.callbacks_and_connectivities = []
    state.polling = False
    state.delivering = False
    state.connectivity = None
    for callback in callbacks:
        sys.modules["grpc._channel"]._subscribe(state, callback, bool(connect))


def settle_server(state, lost):
    server = sys.modules["grpc._server"]
    state.stage = server._ServerStage.STOPPED
    state.termination_event.set()
    for event in state.shutdown_events or ():
        event.set()
    state.rpc_states = set()
    state.due = set()
    state.server_deallocated = True


def settle_aio(holder, lost):
    holder._loop = core.module.get_working_loop()


def settle_aio_callable(multicallable, lost):
    settle_aio(multicallable, lost)
    settle_aio_handle(multicallable)


def settle_aio_handle(multicallable):
    if getattr(multicallable, "_registered_call_handle", None):
        multicallable._registered_call_handle = multicallable._channel.get_registered_call_handle(
            multicallable._method)


kept = []  # tasks of the parent's, which would complain if they were destroyed


def finished(loop, result=None, error=None):
    future = loop.create_future()
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
        future.exception()  # or it complains that nobody asked
    return future


def settle_aio_call(call, lost):
    """What waited for the call has its end now."""
    asyncio = sys.modules["asyncio"]
    settle_aio(call, lost)
    for name, value in attributes(call):
        if isinstance(value, asyncio.Future) and not value.done():
            kept.append(value)
            setattr(call, name, finished(call._loop, core.module.EOF))
        elif isinstance(value, asyncio.Event):
            event = asyncio.Event()
            event.set()
            setattr(call, name, event)
    if getattr(call, "_message_aiter", None) is not None:
        kept.append(call._message_aiter)
        call._message_aiter = None


def settle_aio_intercepted(call, lost):
    aio = sys.modules["grpc.aio"]
    settle_aio(call, lost)
    if not call._interceptors_task.done():
        kept.append(call._interceptors_task)
        error = aio.AioRpcError(sys.modules["grpc"].StatusCode.CANCELLED, aio.Metadata(),
                                aio.Metadata(), details=ENDED)
        call._interceptors_task = finished(call._loop, error=error)


SETTLE = {
    "grpc._channel.Channel": settle_channel,
    "grpc._channel._Rendezvous": settle_call,
    "grpc._channel._UnaryUnaryMultiCallable": settle_callable,
    "grpc._channel._UnaryStreamMultiCallable": settle_callable,
    "grpc._channel._SingleThreadedUnaryStreamMultiCallable": settle_callable,
    "grpc._channel._StreamUnaryMultiCallable": settle_callable,
    "grpc._channel._StreamStreamMultiCallable": settle_callable,
    "grpc._channel._ChannelCallState": settle_call_state,
    "grpc._channel._ChannelConnectivityState": settle_connectivity,
    "grpc._server._ServerState": settle_server,
    "grpc.aio._channel.Channel": settle_aio,
    "grpc.aio._channel._BaseMultiCallable": settle_aio_callable,
    "grpc.aio._call.Call": settle_aio_call,
    "grpc.aio._interceptor.InterceptedCall": settle_aio_intercepted,
    "grpc.aio._server.Server": settle_aio,
}

# --- the functions that programs call --------------------------------------------------------------

# Modules, the classes whose methods enter, and other names that are used here.
LAYER = {
    "grpc._channel": (
        ("Channel", "_UnaryUnaryMultiCallable", "_UnaryStreamMultiCallable",
         "_SingleThreadedUnaryStreamMultiCallable", "_StreamUnaryMultiCallable",
         "_StreamStreamMultiCallable", "_Rendezvous", "_SingleThreadedRendezvous",
         "_MultiThreadedRendezvous", "_ChannelCallState"),
        ("_abort", "_subscribe", "_ChannelConnectivityState", "_RPCState"),
    ),
    "grpc._plugin_wrapping": ((), ("_Plugin",)),
    "grpc._server": (("_Server",), ("_ServerState", "_ServerStage", "_CANCELLED")),
    "grpc._simple_stubs": (("ChannelCache",), ()),
    "grpc._utilities": (("_ChannelReadyFuture",), ()),
    "grpc.aio._channel": (
        ("Channel", "UnaryUnaryMultiCallable", "UnaryStreamMultiCallable",
         "StreamUnaryMultiCallable", "StreamStreamMultiCallable"),
        ("_BaseMultiCallable",),
    ),
    "grpc.aio._call": (
        ("Call", "_UnaryResponseMixin", "_StreamResponseMixin", "_StreamRequestMixin",
         "UnaryUnaryCall", "UnaryStreamCall", "StreamUnaryCall", "StreamStreamCall"),
        (),
    ),
    "grpc.aio._interceptor": (("InterceptedCall",), ()),
    "grpc.aio._server": (("Server",), ()),
}

SUBSCRIBE = ("grpc._channel.Channel", "subscribe")

# A channel of grpc.aio's belongs to an event loop, and there may be none yet when a stub is made.
WITHOUT_LOOP = ("grpc.aio._channel.Channel",
                ("unary_unary", "unary_stream", "stream_unary", "stream_stream"))

SPECIAL = ("__call__", "__next__", "__iter__", "__enter__", "__exit__", "__await__", "__aiter__",
           "__aenter__", "__aexit__", "_close_on_fork", "_postfork_child")

CLOSING = ("grpc._channel.Channel", ("close", "__exit__", "_close_on_fork"))


def entering(function):
    """The function, with a look whether this is a new child; 0.1 us where it is not."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def entry(self, *args, **kwargs):
            come_in(self, args, kwargs)
            return await function(self, *args, **kwargs)
    else:

        @functools.wraps(function)
        def entry(self, *args, **kwargs):
            if inherited or not ready[0]:
                come_in(self, args, kwargs)
            return function(self, *args, **kwargs)

    return entry


def only_entering(function):

    @functools.wraps(function)
    def entry(*args, **kwargs):
        enter()
        return function(*args, **kwargs)

    return entry


def come_in(self, args, kwargs):
    enter()
    if inherited:
        adopt(self)
        for argument in (*args, *kwargs.values()):
            adopt(argument)


def defused(function):
    """A __del__ that leaves what is the parent's alone."""

    @functools.wraps(function)
    def entry(self):
        if ready[0] and not (inherited and holds_dead(self)):
            function(self)

    return entry


def subscribing(function):

    @functools.wraps(function)
    def entry(self, callback, try_to_connect=None):
        # grpc imports the module that has _ChannelReadyFuture late, and then comes here.
        adapt_loaded()
        function(self, callback, try_to_connect=try_to_connect)
        if try_to_connect:
            # Until the channel has a state, grpc notes this on a thread's stack alone.
            self._connectivity_state._grpcforkshim_connect = True

    return entry


def closing(function):
    """Of a channel whose first use in this process it is, the subscriptions need not go on: the
    thread for them would still be on its way when the channel is closed, which grpc's own code takes
    ill (a program that subscribes, closes and exits hangs without the shim, 5 of 6)."""

    @functools.wraps(function)
    def entry(self, *args, **kwargs):
        enter()
        if inherited and holds_dead(self._connectivity_state):
            self._connectivity_state.callbacks_and_connectivities = []
        return function(self, *args, **kwargs)

    return entry


def adapt_class(cls):
    full_name = f"{cls.__module__}.{cls.__name__}"
    for name, value in list(vars(cls).items()):
        if isinstance(value, staticmethod):
            if not name.startswith("_"):
                setattr(cls, name, staticmethod(only_entering(value.__func__)))
            continue
        if not inspect.isfunction(value):
            continue
        if name == "__del__":
            setattr(cls, name, defused(value))
        elif full_name == WITHOUT_LOOP[0] and name in WITHOUT_LOOP[1]:
            setattr(cls, name, only_entering(value))
        elif (full_name, name) == SUBSCRIBE:
            setattr(cls, name, subscribing(entering(value)))
        elif full_name == CLOSING[0] and name in CLOSING[1]:
            setattr(cls, name, closing(entering(value)))
        elif name in SPECIAL or not name.startswith("_"):
            setattr(cls, name, entering(value))


def adapt_layer(name, module):
    classes, others = LAYER[name]
    for needed in classes + others:
        if not hasattr(module, needed):
            raise Unknown(f"{name} has no {needed}")
    for cls in classes:
        adapt_class(getattr(module, cls))
    if name in ADDED:
        ADDED[name](module)


# --- imports ---------------------------------------------------------------------------------------

adapted = set()


def is_loaded(module):
    return module is not None and not getattr(module.__spec__, "_initializing", False)


def on_import(name):
    """The program is about to import a module of this name; adapts what is there by now."""
    global core, file_identity
    if name.startswith(PACKAGE) and name != CYGRPC:
        # Code that Cython made looks there first for whatever it imports, and again in each copy.
        sought.add(name)
        return
    try:
        module = sys.modules.get(CYGRPC)
        if core is None and is_loaded(module):
            file_identity = identify(module.__file__)
            core = adapt_core(module, module.__file__, generation())
        if core is not None:
            adapt_loaded()
    except Unknown as error:
        leave_grpcio_alone(error)


def leave_grpcio_alone(why):
    """From now on the functions that were wrapped are as they were."""
    global left_alone
    left_alone = True
    if core is not None:
        core.restore()
    leave_alone()
    version = getattr(sys.modules.get("grpc"), "__version__", "of an unknown version")
    tell(f"grpcio {version} is left alone, {why}: its descriptors are closed in forked children, "
         "and its own fork support does what it does")


def adapt_loaded():
    """Adapts the modules that were loaded since."""
    if left_alone:
        return
    for name in LAYER:
        if name not in adapted and is_loaded(sys.modules.get(name)):
            adapted.add(name)
            try:
                adapt_layer(name, sys.modules[name])
            except Unknown as error:
                leave_grpcio_alone(error)
                return
