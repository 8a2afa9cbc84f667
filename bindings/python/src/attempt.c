#include "module.h"

PyTypeObject *AttemptType;

PyObject *attempt_new(Config *config, const tsc_endpoint *endpoint) {
    Attempt *self = (Attempt *)PyType_GenericAlloc(AttemptType, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(config);
    self->config = config;
    tsc_status status = tsc_attempt_new(config->config, endpoint, sizeof *endpoint, &self->attempt);
    if (status != TSC_OK) {
        Py_DECREF(self);
        return raise_status(status);
    }
    return (PyObject *)self;
}

static int attempt_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Attempt *)object)->config);
    return 0;
}

/* The config stays until the attempt goes: what it has staged is in the config's list. */
static void attempt_dealloc(PyObject *object) {
    Attempt *self = (Attempt *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    tsc_attempt_free(self->attempt);
    Py_XDECREF(self->config);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

/* What is offered is lent until one of the calls below that say how it ended. */
static PyObject *attempt_offer(PyObject *self, PyObject *Py_UNUSED(none)) {
    tsc_session session = {0};
    tsc_status status;
    PyObject *object = NULL;
    BEGIN_ALONE(self);
    status = tsc_attempt_offer(((Attempt *)self)->attempt, &session, sizeof session);
    if (status == TSC_OK)
        object = new_reference(&((cached_object *)session.object)->object);
    END_ALONE;
    if (status != TSC_OK && status != TSC_NOT_FOUND)
        return raise_status(status);
    if (object == NULL)
        Py_RETURN_NONE;
    return object;
}

static PyObject *attempt_sent(PyObject *self, PyObject *Py_UNUSED(none)) {
    return none_or_raise(tsc_attempt_sent(((Attempt *)self)->attempt));
}

static PyObject *attempt_withdraw(PyObject *self, PyObject *Py_UNUSED(none)) {
    tsc_status status;
    BEGIN_ALONE(self);
    status = tsc_attempt_withdraw(((Attempt *)self)->attempt);
    END_ALONE;
    return none_or_raise(status);
}

static PyObject *attempt_wants_another(PyObject *self, PyObject *Py_UNUSED(none)) {
    tsc_status status = tsc_attempt_wants_another(((Attempt *)self)->attempt);
    if (status != TSC_OK && status != TSC_DISCARDED)
        return raise_status(status);
    return PyBool_FromLong(status == TSC_OK);
}

static PyObject *attempt_receive(PyObject *object, PyObject *args) {
    Attempt *self = (Attempt *)object;
    PyObject *session;
    tsc_session_info info = {0};
    unsigned long length;
    long long not_after = 0;
    if (!PyArg_ParseTuple(args, "OIIk|L", &session, &info.tls_version, &info.lifetime_seconds,
                          &length, &not_after))
        return NULL;
    info.not_after = not_after;
    cached_object *one = cached_object_new(&self->config->objects, session);
    if (one == NULL)
        return PyErr_NoMemory();
    tsc_status status = tsc_attempt_receive_object(self->attempt, &info, sizeof info, one, length,
                                                   cached_object_release);
    if (status != TSC_OK)
        cached_object_release(one);
    if (status != TSC_OK && status != TSC_DISCARDED)
        return raise_status(status);
    return PyBool_FromLong(status == TSC_OK);
}

static PyObject *attempt_established(PyObject *self, PyObject *args) {
    int resumed;
    if (!PyArg_ParseTuple(args, "p", &resumed))
        return NULL;
    tsc_status status;
    BEGIN_ALONE(self);
    status = tsc_attempt_established(((Attempt *)self)->attempt, resumed);
    END_ALONE;
    return none_or_raise(status);
}

static PyObject *attempt_failed(PyObject *self, PyObject *args) {
    unsigned int facts;
    if (!PyArg_ParseTuple(args, "I", &facts))
        return NULL;
    tsc_status status;
    BEGIN_ALONE(self);
    status = tsc_attempt_failed(((Attempt *)self)->attempt, facts);
    END_ALONE;
    return none_or_raise(status);
}

/* None, or a descriptor to wait for, which is lent: tsc_attempt_wait would block greenlets and
 * tasks, and a callback would run Python inside the calls of others, the collector's among them. */
static PyObject *attempt_wait_fd(PyObject *self, PyObject *args) {
    unsigned int max_wait_ms;
    int32_t fd;
    if (!PyArg_ParseTuple(args, "I", &max_wait_ms))
        return NULL;
    tsc_status status = tsc_attempt_wait_fd(((Attempt *)self)->attempt, max_wait_ms, &fd);
    return status == TSC_WAIT ? PyLong_FromLong(fd) : none_or_raise(status);
}

static PyObject *attempt_info(PyObject *self, PyObject *Py_UNUSED(none)) {
    tsc_attempt_info i = {0};
    tsc_status status = tsc_attempt_info_get(((Attempt *)self)->attempt, &i, sizeof i);
    if (status != TSC_OK)
        return raise_status(status);
    return Py_BuildValue("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:z}", "state", i.state, "offered",
                         i.offered, "resumed", i.resumed, "refused", i.refused, "received",
                         i.received, "stored", i.stored, "discarded", i.discarded, "reason",
                         reason_name(i.reason));
}

static PyMethodDef methods[] = {{"offer", attempt_offer, METH_NOARGS, NULL},
                                {"sent", attempt_sent, METH_NOARGS, NULL},
                                {"withdraw", attempt_withdraw, METH_NOARGS, NULL},
                                {"wants_another", attempt_wants_another, METH_NOARGS, NULL},
                                {"receive", attempt_receive, METH_VARARGS, NULL},
                                {"established", attempt_established, METH_VARARGS, NULL},
                                {"failed", attempt_failed, METH_VARARGS, NULL},
                                {"wait_fd", attempt_wait_fd, METH_VARARGS, NULL},
                                {"info", attempt_info, METH_NOARGS, NULL},
                                {0}};
static PyType_Slot slots[] = {{Py_tp_new, no_new},
                              {Py_tp_dealloc, attempt_dealloc},
                              {Py_tp_traverse, attempt_traverse},
                              {Py_tp_methods, methods},
                              {0, NULL}};
PyType_Spec attempt_spec = {"tsc._tsc.Attempt", sizeof(Attempt), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
