// Closing what is open where neither libc nor the kernel can do it at once: closefrom() came with
// glibc 2.34, close_range(2) with Linux 5.9.
#ifndef GRPCFORKSHIM_DESCRIPTORS_CLOSE_EACH_H
#define GRPCFORKSHIM_DESCRIPTORS_CLOSE_EACH_H

// Closes what this process has open from `first` on; without /proc, up to the number that it may
// open. Tells nobody of it. Any thread, parent or child; async-signal-safe; changes errno.
void descriptors_close_each(unsigned first);

#endif
