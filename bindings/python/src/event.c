#include "module.h"

/* What on_event is told, in words. The library is linked in, so there are no others. */
static const char *const kinds[] = {
    [TSC_EVENT_STORED] = "stored",
    [TSC_EVENT_OFFERED] = "offered",
    [TSC_EVENT_RESUMED] = "resumed",
    [TSC_EVENT_REFUSED] = "refused",
    [TSC_EVENT_EXPIRED] = "expired",
    [TSC_EVENT_EVICTED] = "evicted",
    [TSC_EVENT_BREAKER_OPENED] = "breaker_opened",
    [TSC_EVENT_BREAKER_CLOSED] = "breaker_closed",
    [TSC_EVENT_NOT_OFFERED] = "not_offered",
};

typedef struct {
    callbacks *of;
    const tsc_event *event;
} call;

static void tell(void *arg) {
    const call *it = arg;
    callbacks *self = it->of;
    const tsc_event *event = it->event;
    PyObject *on_event = new_reference(&self->on_event);
    if (on_event == NULL)
        return;
    /* The library may have been called while something was raised. */
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *done = PyObject_CallFunction(
        on_event, "sKz#Iz#z", kinds[event->kind], (unsigned long long)event->count, event->host,
        (Py_ssize_t)event->host_len, event->port, event->server_name,
        (Py_ssize_t)event->server_name_len, reason_name(event->reason));
    if (done == NULL)
        PyErr_WriteUnraisable(on_event);
    Py_XDECREF(done);
    PyErr_Restore(type, value, traceback);
    Py_DECREF(on_event);
}

void cache_event(void *arg, const tsc_event *event, size_t Py_UNUSED(size)) {
    call it = {arg, event};
    with_gil(tell, &it);
}
