#include "module.h"

held *held_new(held **all, PyObject *object) {
    held *new = PyMem_Malloc(sizeof *new);
    if (new == NULL)
        return NULL;
    Py_INCREF(object);
    *new = (held){object, *all, all, 1};
    if (*all != NULL)
        (*all)->link = &new->next;
    *all = new;
    return new;
}

/* Called within a call from here, which holds the GIL. */
void held_retain(void *one) {
    ((held *)one)->references++;
}

/* The library releases in whichever thread it is, which is one that called it from here. It may
 * have let the GIL go to wait. */
void held_release(void *one) {
    held *old = one;
    PyGILState_STATE state = PyGILState_Ensure();
    if (--old->references == 0) {
        if (old->link != NULL) {
            *old->link = old->next;
            if (old->next != NULL)
                old->next->link = old->link;
        }
        Py_XDECREF(old->object);
        PyMem_Free(old);
    }
    PyGILState_Release(state);
}

int held_visit_all(held *all, visitproc visit, void *arg) {
    for (held *one = all; one != NULL; one = one->next)
        Py_VISIT(one->object);
    return 0;
}

void held_clear_all(held **all) {
    held *one;
    while ((one = *all) != NULL) {
        PyObject *object = one->object;
        *all = one->next;
        if (one->next != NULL)
            one->next->link = all;
        one->object = NULL;
        one->next = NULL;
        one->link = NULL;
        Py_XDECREF(object);
    }
}
