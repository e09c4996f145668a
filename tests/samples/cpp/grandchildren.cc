// A family of processes, one inside the other, that all call through the first one's stub.

#include "legacy.h"

namespace {

// Returns whether this generation and all that come from it have worked.
bool Live(legacy::Echo::Stub *stub, int generation, int depth, bool some_idle,
          std::set<std::string> ancestors) {
    const std::string who = "generation " + std::to_string(generation);
    // Two idle generations in a row; the last one always calls.
    const bool idle = some_idle && generation % 3 != 0 && generation < depth;
    std::string peer;
    if (!idle) {
        peer = legacy::CallUnary(stub, who);
        if (peer.empty()) {
            return false;
        }
        // One that came later has to have a connection of its own.
        if (!legacy::IsUnnamed(peer) && !ancestors.insert(peer).second) {
            return false;
        }
    }
    if (generation == depth) {
        return true;
    }
    const bool descendants_worked = legacy::WaitForChild(
        legacy::StartChild([&] { return Live(stub, generation + 1, depth, some_idle, ancestors); }),
        "generation " + std::to_string(generation + 1));
    return (idle || legacy::CallAgain(stub, peer, who + " after")) && descendants_worked;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "DEPTH [--generations all|some]",
                                      {"--generations"});
    const int depth = command.Number(1);
    const bool some_idle = command.Choice("--generations", {"all", "some"}) == "some";

    const legacy::Client client(command);
    return Live(client.stub.get(), 0, depth, some_idle, {}) ? 0 : 1;
}
