"""grpc.aio before the fork and, with a new event loop, in the child."""

import asyncio
import sys

import grpc
from echo import EchoStub, Request
from family import in_child, say

ADDRESS = sys.argv[1]


class Tagging(grpc.aio.UnaryUnaryClientInterceptor):

    async def intercept_unary_unary(self, continuation, details, request):
        metadata = grpc.aio.Metadata(*(details.metadata or ()), ("x-sample", "intercepted"))
        return await continuation(details._replace(metadata=metadata), request)


async def requests():
    for text in "abc":
        yield Request(text=text)


async def call_all(stub):
    assert (await stub.Unary(Request(text="x"), timeout=30)).text == "x"
    call = stub.Unary(Request(text="x"), timeout=30, metadata=(("x-sample", "seen"),))
    assert (await call).text == "x" and await call.code() is grpc.StatusCode.OK
    assert (await call.trailing_metadata())["echo-x-sample"] == "seen"
    assert (await stub.ClientStream(requests(), timeout=30)).text == "abc"
    replies = stub.ServerStream(Request(text="s", count=3), timeout=30)
    assert [reply.sequence async for reply in replies] == [0, 1, 2]
    talk = stub.BidiStream(timeout=30)
    await talk.write(Request(text="one"))
    assert (await talk.read()).text == "one"
    await talk.done_writing()
    assert await talk.read() is grpc.aio.EOF
    return "all"


async def until_over(awaitable):
    try:
        await asyncio.wait_for(awaitable, 30)
        return "no error"
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name} {error.details()}"


async def iterate(call):
    async for _ in call:
        pass


class Application:

    def __init__(self):
        self.channel = grpc.aio.insecure_channel(ADDRESS)
        self.stub = EchoStub(self.channel)
        self.intercepted = EchoStub(grpc.aio.insecure_channel(ADDRESS, interceptors=[Tagging()]))

    async def open_calls(self):
        slow = Request(text="s", count=10, delay_milliseconds=2000)
        self.stream = self.stub.ServerStream(slow)
        await self.stream.read()
        self.iterated = self.stub.ServerStream(slow)
        await self.iterated.wait_for_connection()
        # Their answers come after the fork.
        self.unary = self.stub.Unary(slow)
        self.tagged = self.intercepted.Unary(slow)
        self.talk = self.stub.BidiStream()
        await self.talk.write(Request(text="x"))
        await self.talk.read()
        self.finished = self.stub.Unary(Request(text="finished"))
        await self.finished

    async def in_child(self):
        say("child inherited", await call_all(self.stub))
        call = self.intercepted.Unary(Request(text="x"), timeout=30)
        await call
        say("child intercepted", (await call.trailing_metadata())["echo-x-sample"])
        say("child peer", (await self.stub.Unary(Request(), timeout=30)).peer)
        say("child state", self.channel.get_state(try_to_connect=True).name)
        await asyncio.wait_for(self.channel.channel_ready(), 30)
        async with grpc.aio.insecure_channel(ADDRESS) as channel:
            say("child new", await call_all(EchoStub(channel)))
        say("child unary", self.unary.done(), await until_over(self.unary))
        say("child unary code", (await self.unary.code()).name)
        say("child tagged", await until_over(self.tagged))
        say("child stream", await until_over(iterate(self.iterated)))
        say("child talk", await until_over(self.talk.read()))
        say("child read", await until_over(self.stream.read()))
        say("child finished", (await self.finished.code()).name, (await self.finished).text)
        self.unary.cancel()
        await self.channel.close()


def child(application):
    asyncio.run(application.in_child())
    say("grandchild exit", in_child(grandchild))


def grandchild():

    async def run():
        async with grpc.aio.insecure_channel(ADDRESS) as channel:
            say("grandchild new", await call_all(EchoStub(channel)))

    asyncio.run(run())


def main():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    async def before():
        application = Application()
        say("parent", await call_all(application.stub))
        await application.open_calls()
        return application

    async def after(application):
        say("parent unary", (await application.unary).text)
        say("parent after", await call_all(application.stub))
        for call in application.tagged, application.stream, application.iterated, application.talk:
            call.cancel()
        await application.channel.close()

    application = loop.run_until_complete(before())
    status = in_child(child, application)
    say("child exit", status)
    loop.run_until_complete(after(application))
    sys.exit(status)


if __name__ == "__main__":
    main()
