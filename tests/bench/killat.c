/* Kills a program at the entry of its n-th system call, counted over all its threads.
 *
 *     killat N LOG COMMAND [ARGUMENT...]
 *
 * strace counts the calls of each thread apart, so that `when=n` never reaches the later threads; this counts them all.
 * Nothing of the n-th call is done. With N = 0 nothing is killed. LOG gets one line per system call: its number in the
 * table of the kernel. Ends with 0 where the kill happened, 1 where the program had ended before. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <linux/ptrace.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    long wanted = atol(argv[1]), seen = 0;
    FILE *log = fopen(argv[2], "we");
    if (!log) return 2;
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    int status, killed = 0, running = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return 2;
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, child, 0, options)) return 2;
    ptrace(PTRACE_SYSCALL, child, 0, 0);
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0) {
            if (errno == EINTR) continue;
            break;
        }
        if (!WIFSTOPPED(status)) continue;
        int signal = WSTOPSIG(status);
        if (status >> 16 == PTRACE_EVENT_EXEC) running = 1;
        if (signal == (SIGTRAP | 0x80)) {
            struct ptrace_syscall_info info;
            long size = ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
            if (running && size > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY) {
                fprintf(log, "%llu\n", (unsigned long long)info.entry.nr);
                if (++seen == wanted) {
                    killed = 1;
                    kill(child, SIGKILL);
                }
            }
            signal = 0;
        } else if (signal == SIGTRAP || signal == SIGSTOP) {
            signal = 0;
        }
        ptrace(PTRACE_SYSCALL, pid, 0, signal);
    }
    fclose(log);
    return killed ? 0 : 1;
}
