#include "process/record.h"

#include "base/compiler.h"

struct record process_record = {
    .magic = RECORD_MAGIC,
    .layout = RECORD_LAYOUT,
    .size = sizeof(process_record),
};
extern struct record grpcforkshim_record EXPORTED __attribute__((alias("process_record")));
