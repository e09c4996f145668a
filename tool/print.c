#include "print.h"

#include "inspect.h"
#include "text.h"

#include <stdbool.h>
#include <string.h>

static const char *text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL ? value : "";
}

static void line(FILE *stream, const char *key, const char *value) {
    if (*value != '\0')
        fprintf(stream, "  %-13s %s\n", key, value);
}

static const char *loaded_in_words(const json_t *core) {
    static const char *const words[][2] = {{"start", "loaded at start"},
                                           {"later", "loaded later"},
                                           {"perhaps", "perhaps loaded later"},
                                           {"already", "loaded"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text(core, "loaded"), words[i][0]) == 0)
            return words[i][1];
    }
    return "";
}

static const char *coverage_in_words(const json_t *findings) {
    static const char *const words[] = {"covered", "partly covered", "not covered",
                                        "could not tell"};
    return words[inspect_coverage(findings)];
}

static void print_core(FILE *stream, const json_t *core) {
    const char *release = text(core, "release"), *version = text(core, "core_version");
    const char *language = text(core, "language");
    bool later = strncmp(loaded_in_words(core), "loaded later", 12) == 0;
    fprintf(stream, "  %-13s %s%s%s%s%s, linked %s, %s%s%s: %s\n", "gRPC", release,
            *release != '\0' && *version != '\0' ? ", " : "", *version != '\0' ? "core " : "",
            version, *release == '\0' && *version == '\0' ? "of unknown version" : "",
            strcmp(text(core, "linkage"), "dynamic") == 0 ? "dynamically" : "statically",
            loaded_in_words(core), later && *language != '\0' ? " by " : "", later ? language : "",
            coverage_in_words(core));
    if (*text(core, "extension") != '\0' &&
        strcmp(text(core, "extension"), text(core, "file")) != 0)
        line(stream, "", text(core, "extension"));
    line(stream, "", text(core, "file"));
}

static void print_grpc(FILE *stream, const json_t *grpc) {
    const json_t *core;
    size_t index;
    if (json_array_size(json_object_get(grpc, "cores")) == 0)
        line(stream, "gRPC", strcmp(text(grpc, "linkage"), "absent") == 0 ? "none" : "unknown");
    json_array_foreach(json_object_get(grpc, "cores"), index, core) {
        print_core(stream, core);
    }
}

static void print_preload(FILE *stream, const json_t *preload) {
    const json_t *obstacle;
    size_t index;
    if (json_is_true(json_object_get(preload, "possible")))
        line(stream, "preloading", "possible");
    json_array_foreach(json_object_get(preload, "obstacles"), index, obstacle) {
        line(stream, index == 0 ? "preloading" : "", text(obstacle, "text"));
    }
}

static void print_descriptors(FILE *stream, const json_t *descriptors) {
    const json_t *inherited = json_object_get(descriptors, "inherited"), *descriptor;
    size_t index;
    if (json_object_get(descriptors, "grpc") != NULL)
        fprintf(stream, "  %-13s %lld open by its gRPC\n", "descriptors",
                (long long)json_integer_value(json_object_get(descriptors, "grpc")));
    if (!json_is_array(inherited))
        fprintf(stream, "  %-13s its parent can't tell which it inherited from it\n", "");
    else if (json_array_size(inherited) == 0)
        fprintf(stream, "  %-13s none of its parent's gRPC\n", "");
    json_array_foreach(inherited, index, descriptor) {
        fprintf(stream, "  %-13s %lld of its parent's gRPC: %s\n", "",
                (long long)json_integer_value(json_object_get(descriptor, "descriptor")),
                text(descriptor, "target"));
    }
}

static void print_process(FILE *stream, json_t *process) {
    const json_t *shim = json_object_get(process, "shim"), *value;
    const char *key;
    if (process == NULL)
        return;
    line(stream, "program", text(process, "program"));
    line(stream, "shim",
         json_is_true(json_object_get(shim, "loaded")) ? text(shim, "file") : "not loaded");
    if (json_object_get(process, "state") == NULL)
        return;
    fprintf(stream, "  %-13s %s, generation %lld\n", "state", text(process, "state"),
            (long long)json_integer_value(json_object_get(process, "generation")));
    json_object_foreach(json_object_get(process, "counters"), key, value) {
        fprintf(stream, "  %-13s %-20s %lld\n",
                value == json_object_get(json_object_get(process, "counters"), "forks") ? "counters"
                                                                                        : "",
                key, (long long)json_integer_value(value));
    }
    print_descriptors(stream, json_object_get(process, "descriptors"));
}

static void print_contract(FILE *stream, const json_t *contract) {
    const json_t *row;
    size_t index;
    if (json_array_size(contract) > 0)
        fprintf(stream, "  contract\n");
    json_array_foreach(contract, index, row) {
        fprintf(stream, "    %2lld %-7s %s\n",
                (long long)json_integer_value(json_object_get(row, "row")), text(row, "holds"),
                text(row, "text"));
    }
}

static void print_all(FILE *stream, const json_t *findings) {
    const json_t *note;
    size_t index;
    fprintf(stream, "%s: %s: %s\n", text(findings, "target"), coverage_in_words(findings),
            text(findings, "verdict"));
    if (strcmp(text(findings, "file"), text(findings, "target")) != 0 &&
        strcmp(text(findings, "kind"), "process") != 0)
        line(stream, "file", text(findings, "file"));
    line(stream, "interpreter", text(findings, "interpreter"));
    line(stream, "architecture", text(findings, "architecture"));
    print_process(stream, json_object_get(findings, "process"));
    if (*text(findings, "architecture") != '\0') {
        print_preload(stream, json_object_get(findings, "preload"));
        print_grpc(stream, json_object_get(findings, "grpc"));
        print_contract(stream, json_object_get(findings, "contract"));
    }
    json_array_foreach(json_object_get(findings, "notes"), index, note) {
        line(stream, index == 0 ? "notes" : "", json_string_value(note));
    }
}

void print_findings(FILE *stream, const json_t *findings) {
    json_t *printable = json_deep_copy(findings);
    text_make_printable(printable);
    print_all(stream, printable);
    json_decref(printable);
}

void print_verdict(FILE *stream, const char *prefix, const json_t *findings) {
    json_t *printable = json_deep_copy(findings);
    const json_t *obstacle, *note;
    size_t index;
    text_make_printable(printable);
    fprintf(stream, "%s%s: %s: %s\n", prefix, text(printable, "target"),
            coverage_in_words(printable), text(printable, "verdict"));
    json_array_foreach(json_object_get(json_object_get(printable, "preload"), "obstacles"), index,
                       obstacle) {
        fprintf(stream, "%s%s\n", prefix, text(obstacle, "text"));
    }
    json_array_foreach(json_object_get(printable, "notes"), index, note) {
        fprintf(stream, "  %s\n", json_string_value(note));
    }
    json_decref(printable);
}
