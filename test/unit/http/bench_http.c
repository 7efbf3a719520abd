/*
 * A server to measure: bench_http PORT SECONDS, then from another terminal e.g. wrk -t1 -c64 -d5
 * http://127.0.0.1:PORT/hello (on the loop) or /work (by a worker thread). Prints what it cost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "rig.h"

int main(int argc, char **argv)
{
    int64_t port = 0;
    int64_t seconds = 0;
    if (argc != 3 || !str_to_i64(str_of(argv[1]), 0, 65535, &port) ||
        !str_to_i64(str_of(argv[2]), 1, 3600, &seconds)) {
        fputs("usage: bench_http PORT SECONDS\n", stderr);
        return 2;
    }
    static struct rig rig;
    rig_start(&rig, &(struct http_server_config){
                        .port = (uint16_t)port, .workers = 4, .connections_per_peer_max = 4096 });
    printf("listening on 127.0.0.1:%u\n", rig.port);
    fflush(stdout);
    sleep((unsigned)seconds);
    struct http_counts n = rig_counts(&rig);
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    double cpu_us = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
                    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    printf("%llu requests, %llu connections, %.1f us of CPU each, %ld KB at most\n",
           (unsigned long long)n.requests, (unsigned long long)n.accepted,
           n.requests ? cpu_us / (double)n.requests : 0, u.ru_maxrss);
    rig_stop(&rig);
    return 0;
}
