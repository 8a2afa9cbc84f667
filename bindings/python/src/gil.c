#include "module.h"

#include <pthread.h>
#include <unistd.h>

static void stay(void *Py_UNUSED(arg)) {
    for (;;)
        pause();
}

/* CPython before 3.14 ends a thread that asks for the GIL when the interpreter is over. That
 * unwinds what called, which is neither C nor C++ all the way, and so would abort the process. The
 * thread stays here instead, as in 3.14, until the process is gone. */
void with_gil(void (*run)(void *), void *arg) {
    pthread_cleanup_push(stay, NULL);
    PyGILState_STATE state = PyGILState_Ensure();
    run(arg);
    PyGILState_Release(state);
    pthread_cleanup_pop(0);
}
