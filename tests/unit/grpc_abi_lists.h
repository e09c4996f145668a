// The lists themselves. Included where the names of grpc_abi_facts.h mean one set of declarations,
// by each of the two once: no include guard.
static const struct abi_fact facts[] = {FACTS{nullptr, 0}};

static const struct abi_prototype *list_prototypes(void) {
    static const struct {
        const char *name;
        std::string prototype;
    } made[] = {GRPC_SYMBOLS(PROTOTYPE, PROTOTYPE)};
    static const size_t count = sizeof(made) / sizeof(made[0]);
    static struct abi_prototype prototypes[count + 1];
    for (size_t i = 0; i < count; i++)
        prototypes[i] = {made[i].name, made[i].prototype.c_str()};
    return prototypes;
}
