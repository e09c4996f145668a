// What happens around a fork, and when: one table for each moment, in order, with the reason for
// each place. What a table names resets the locks of its own module there.
#ifndef GRPCFORKSHIM_LIFE_ORDER_H
#define GRPCFORKSHIM_LIFE_ORDER_H

typedef void action(void);

// Each ends with NULL.
//
//   prepare    in the parent, before fork(): its other threads go on, and none may have to wait
//   parent     there, when the fork is over, or has failed
//   child      in each child made by fork(), by its only thread; the locks of libc and of the
//   loader
//              come first (life/fork.c)
//   new_child  in a child whose parent had a gRPC that is followed, as soon as it is noticed
//   again      at such a child's first use of gRPC, when its data has been put back
extern action *const order_prepare[],
    *const order_parent[], *const order_child[], *const order_new_child[], *const order_again[];

static inline void order_run(action *const *actions) {
    for (; *actions != 0; actions++)
        (*actions)();
}

#endif
