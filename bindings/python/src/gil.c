#include "module.h"

#include <pthread.h>
#include <unistd.h>

#ifdef Py_GIL_DISABLED
static pthread_mutex_t shared = PTHREAD_MUTEX_INITIALIZER;

/* A child of fork would find it as another thread had it. */
static void lock_before_fork(void) __attribute__((constructor));
static void lock_before_fork(void) {
    pthread_atfork(lock_shared, unlock_shared, unlock_shared);
}

void lock_shared(void) {
    pthread_mutex_lock(&shared);
}

void unlock_shared(void) {
    pthread_mutex_unlock(&shared);
}
#endif

PyObject *new_reference(PyObject **shared_object) {
    lock_shared();
    PyObject *object = *shared_object;
    Py_XINCREF(object);
    unlock_shared();
    return object;
}

void clear_shared(PyObject **shared_object) {
    lock_shared();
    PyObject *object = *shared_object;
    *shared_object = NULL;
    unlock_shared();
    Py_XDECREF(object);
}

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
