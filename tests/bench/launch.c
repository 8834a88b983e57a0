/* Runs one command COUNT times at one moment, and tells what each run took.
 *
 *     launch COUNT FOLDER COMMAND [ARGUMENT...]
 *
 * All processes stand ready before they are released together. Standard output and error of number I go to FOLDER/I.out
 * and FOLDER/I.err. One line for each run: number, wait status, nanoseconds from the release to its end, own CPU
 * (user and system) in microseconds, peak memory in KiB. This program is small and static, since a child's peak memory
 * begins with its parent's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void redirect(const char *folder, int number, const char *ending, int descriptor) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%d.%s", folder, number, ending);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || dup2(file, descriptor) < 0) _exit(126);
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    int count = atoi(argv[1]), gate[2], ready[2];
    pid_t *pids = calloc(count + 1, sizeof *pids);
    if (!pids || pipe2(gate, O_CLOEXEC) || pipe2(ready, O_CLOEXEC)) return 1;
    for (int i = 0; i < count; i++) {
        pids[i] = fork();
        if (pids[i] < 0) return 1;
        if (pids[i] == 0) {
            char byte = 0;
            close(gate[1]);
            redirect(argv[2], i, "out", 1);
            redirect(argv[2], i, "err", 2);
            if (write(ready[1], &byte, 1) != 1) _exit(126);
            while (read(gate[0], &byte, 1) > 0) {}
            execvp(argv[3], argv + 3);
            _exit(127);
        }
    }
    for (int i = 0; i < count; i++) {
        char byte;
        if (read(ready[0], &byte, 1) != 1) return 1;
    }
    long long began = now();
    close(gate[1]);
    for (int left = count; left > 0; left--) {
        int status;
        struct rusage used;
        pid_t pid = wait4(-1, &status, 0, &used);
        long long ended = now();
        int i = 0;
        while (i < count && pids[i] != pid) i++;
        long cpu = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000L + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
        printf("%d %d %lld %ld %ld\n", i, status, ended - began, cpu, used.ru_maxrss);
    }
    return 0;
}
