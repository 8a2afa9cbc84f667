#include "module.h"

cached_object *cached_object_new(cached_object **list, PyObject *object) {
    cached_object *new = PyMem_Malloc(sizeof *new);
    if (new == NULL)
        return NULL;
    Py_INCREF(object);
    lock_shared();
    *new = (cached_object){object, *list, list, 1};
    if (*list != NULL)
        (*list)->link = &new->next;
    *list = new;
    unlock_shared();
    return new;
}

/* Called within a call from here, which holds the GIL. */
void cached_object_retain(void *one) {
    lock_shared();
    ((cached_object *)one)->references++;
    unlock_shared();
}

static void release(void *one) {
    cached_object *old = one;
    lock_shared();
    int last = --old->references == 0;
    if (last && old->link != NULL) {
        *old->link = old->next;
        if (old->next != NULL)
            old->next->link = old->link;
    }
    unlock_shared();
    if (!last)
        return;
    Py_XDECREF(old->object);
    PyMem_Free(old);
}

/* The library releases in whichever thread it is, which is one that called it from here. It may
 * have let the GIL go to wait. */
void cached_object_release(void *one) {
    with_gil(release, one);
}

/* The collector calls it while no other thread runs. */
int cached_objects_visit(cached_object *list, visitproc visit, void *arg) {
    for (cached_object *one = list; one != NULL; one = one->next)
        Py_VISIT(one->object);
    return 0;
}

void cached_objects_clear(cached_object **list) {
    PyObject *object;
    do {
        lock_shared();
        cached_object *one = *list;
        object = NULL;
        if (one != NULL) {
            object = one->object;
            *list = one->next;
            if (one->next != NULL)
                one->next->link = list;
            one->object = NULL;
            one->next = NULL;
            one->link = NULL;
        }
        unlock_shared();
        Py_XDECREF(object);
    } while (object != NULL);
}
