// Forks in the middle of another thread's first use of TLS in the process, again and again.
//
// first_tls ADDRESS CERTIFICATES STEP
//
// The other thread uses OpenSSL itself, as a client of a database would, with an allocator of the
// program's. Each STEP-th allocation stops there, with whatever locks OpenSSL holds around it,
// until the main thread has forked and the child has made a call over TLS, or was told why it
// can't: it may have inherited what OpenSSL was about to fill. The last lines are
//   children N worked N
//   parent handshake ok
//   parent call ok

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"

static const char *address, *certificates;
static unsigned long step;
static atomic_bool stopping; // the other thread's first use is under way
static unsigned long allocations;
static sem_t stopped, go_on;

static void maybe_stop(void) {
    if (!atomic_load(&stopping) || ++allocations % step != 0) {
        return;
    }
    sem_post(&stopped);
    sem_wait(&go_on);
}

static void *allocate(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    maybe_stop();
    return malloc(size);
}

static void *reallocate(void *block, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    maybe_stop();
    return realloc(block, size);
}

static void release(void *block, const char *file, int line) {
    (void)file;
    (void)line;
    free(block);
}

static bool call_over_tls(const char *text) {
    struct client client = {.channel = open_channel(address, certificates, NULL),
                            .queue = grpc_completion_queue_create_for_pluck(NULL)};
    struct answer answer;
    bool passed = call_unary(&client, text, &answer);
    if (!passed) {
        printf("%s: status %d %s\n", text, (int)answer.status, answer.details);
    }
    grpc_channel_destroy(client.channel);
    grpc_completion_queue_shutdown(client.queue);
    grpc_completion_queue_destroy(client.queue);
    return passed;
}

// The beginning of a handshake with nobody.
static bool begin_handshake(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *connection = context != NULL ? SSL_new(context) : NULL;
    if (connection == NULL) {
        return false;
    }
    SSL_set_bio(connection, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    int result = SSL_connect(connection);
    bool begun = result < 0 && SSL_get_error(connection, result) == SSL_ERROR_WANT_READ &&
                 BIO_pending(SSL_get_wbio(connection)) > 0;
    SSL_free(connection);
    SSL_CTX_free(context);
    return begun;
}

static void *use_first(void *begun) {
    atomic_store(&stopping, true);
    *(bool *)begun = begin_handshake();
    atomic_store(&stopping, false);
    sem_post(&stopped);
    return NULL;
}

static int run_child(void *unused) {
    (void)unused;
    atomic_store(&stopping, false);
    return call_over_tls("from a child") ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc != 4 || (step = strtoul(argv[3], NULL, 10)) == 0) {
        fprintf(stderr, "usage: first_tls ADDRESS CERTIFICATES STEP\n");
        return 2;
    }
    address = argv[1];
    certificates = argv[2];
    if (!CRYPTO_set_mem_functions(allocate, reallocate, release)) {
        fprintf(stderr, "OpenSSL has allocated already\n");
        return 2;
    }
    sem_init(&stopped, 0, 0);
    sem_init(&go_on, 0, 0);
    grpc_init();
    bool begun = false;
    pthread_t thread;
    pthread_create(&thread, NULL, use_first, &begun);
    unsigned long children = 0, worked = 0;
    for (;;) {
        sem_wait(&stopped);
        if (!atomic_load(&stopping)) {
            break;
        }
        children++;
        if (run_in_child(run_child, NULL) == 0) {
            worked++;
        } else {
            printf("failed at allocation %lu\n", allocations);
        }
        sem_post(&go_on);
    }
    pthread_join(thread, NULL);
    printf("children %lu worked %lu\n", children, worked);
    bool passed = report("parent", "handshake", begun);
    passed &= report("parent", "call", call_over_tls("from the parent"));
    grpc_shutdown();
    return children > 0 && worked > 0 && passed ? 0 : 1;
}
