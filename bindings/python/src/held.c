#include "module.h"

held *held_new(Config *config, PyObject *object) {
    held *new = PyMem_Malloc(sizeof *new);
    if (new == NULL)
        return NULL;
    Py_INCREF(object);
    *new = (held){object, config->all, &config->all};
    if (config->all != NULL)
        config->all->link = &new->next;
    config->all = new;
    return new;
}

/* The library releases in whichever thread it is, which is one that called it from here. It may
 * have let the GIL go to wait. */
void held_release(void *object) {
    held *old = object;
    PyGILState_STATE state = PyGILState_Ensure();
    if (old->link != NULL) {
        *old->link = old->next;
        if (old->next != NULL)
            old->next->link = old->link;
    }
    Py_XDECREF(old->object);
    PyMem_Free(old);
    PyGILState_Release(state);
}

void held_clear_all(Config *config) {
    held *one;
    while ((one = config->all) != NULL) {
        PyObject *object = one->object;
        config->all = one->next;
        if (one->next != NULL)
            one->next->link = &config->all;
        one->object = NULL;
        one->next = NULL;
        one->link = NULL;
        Py_XDECREF(object);
    }
}
