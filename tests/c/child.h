/* A forked child that answers with the line of the first thing that was not so. */
#ifndef CHILD_H
#define CHILD_H

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child: leaves it unless the condition holds. */
#define CHILD_EXPECT(condition)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__;                                                                       \
    } while (0)

/* Runs body(arg) in a child and returns what it returned, 0 if all was well; -1 if the child died
 * or did not end in time. The child says its answer through a pipe and is then killed: no leak
 * check, no exit handler and no other test of this program has a part in it. */
static inline int in_child_by(pid_t (*make)(void), int (*body)(void *), void *arg) {
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    const pid_t child = make();
    if (child == 0) {
        /* cmocka's would go on with the tests. */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        alarm(60);
        const int answer = body(arg);
        const ssize_t written = write(ends[1], &answer, sizeof answer);
        (void)written;
        kill(getpid(), SIGKILL); /* raise takes the thread that the C library knows of */
    }
    close(ends[1]);
    int answer = -1;
    if (child < 0 || read(ends[0], &answer, sizeof answer) != (ssize_t)sizeof answer)
        answer = -1;
    close(ends[0]);
    if (child > 0)
        waitpid(child, NULL, 0);
    return answer;
}

static inline int in_child(int (*body)(void *), void *arg) {
    return in_child_by(fork, body, arg);
}

/* A fork that the C library does not know of: it calls no handlers. */
static inline pid_t raw_fork(void) {
#ifdef __s390__ /* the stack comes first there */
    return (pid_t)syscall(SYS_clone, NULL, (unsigned long)SIGCHLD, NULL, NULL, NULL);
#else
    return (pid_t)syscall(SYS_clone, (unsigned long)SIGCHLD, NULL, NULL, NULL, NULL);
#endif
}

#endif
