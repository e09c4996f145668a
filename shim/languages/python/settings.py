# --- what a program has set in cygrpc --------------------------------------------------------------
# (revival.py, this file and survivors.py are one module.)

# Functions of cygrpc's that change what it does from then on, in its core or in the module. A copy knows
# nothing of it, so they are called there as well. Those that change one object alone, a call, say,
# are not among them.
SETTING = ("init_grpc_gevent", "set_async_callback_func", "set_server_call_tracer_factory",
           "clear_server_call_tracer_factory", "reset_grpc_config_vars")


def setting_function(name, original, owner):

    @functools.wraps(original)
    def call(*args, **kwargs):
        enter()
        if owner is not core:
            return getattr(core.module, name)(*args, **kwargs)
        if owner.setting:
            return original(*args, **kwargs)  # another of them calls it
        owner.setting = True
        try:
            result = original(*args, **kwargs)
        finally:
            owner.setting = False
        # Once, and in the order of the last calls.
        owner.settings.pop(name, None)
        owner.settings[name] = args, kwargs
        if name == "init_grpc_gevent":
            adapt_gevent(owner)
        return result

    return call


def set_again(old, new):
    """What the program set in the old core, in the new one."""
    for name, (args, kwargs) in list(old.settings.items()):
        getattr(new.module, name)(*renew(args), **renew(kwargs))
    if "init_grpc_gevent" in old.settings:
        # Not that of the thread that happens to be the first here: the one that the program's greenlets
        # have, as without the shim.
        vars(new.module)[THREADS]._pool = vars(old.module)[THREADS]._pool


def count_channel_for_gevent():
    """As grpc does for each channel that it makes: while there is one, it runs plugins' greenlets."""
    if getattr(core.module, "g_gevent_activated", False):
        core.module.gevent_increment_channel_count()


