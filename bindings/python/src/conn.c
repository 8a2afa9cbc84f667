#include "module.h"

PyTypeObject *ConnType;

PyObject *conn_new(Config *config, const tsc_endpoint *endpoint) {
    Conn *self = (Conn *)PyType_GenericAlloc(ConnType, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(config);
    self->config = config;
    tsc_status status = tsc_conn_new(config->config, endpoint, sizeof *endpoint, &self->conn);
    if (status != TSC_OK) {
        Py_DECREF(self);
        return raise_status(status);
    }
    return (PyObject *)self;
}

static int conn_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Conn *)object)->config);
    return 0;
}

/* The config stays until the conn goes: what it has staged is in the config's list. */
static void conn_dealloc(PyObject *object) {
    Conn *self = (Conn *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    tsc_conn_free(self->conn);
    Py_XDECREF(self->config);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

static PyObject *conn_offer(PyObject *self, PyObject *Py_UNUSED(none)) {
    tsc_session session = {0};
    tsc_status status = tsc_conn_offer(((Conn *)self)->conn, &session, sizeof session);
    if (status != TSC_OK && status != TSC_NOT_FOUND)
        return raise_status(status);
    PyObject *object = status == TSC_OK ? ((held *)session.object)->object : NULL;
    if (object == NULL)
        Py_RETURN_NONE;
    Py_INCREF(object);
    return object;
}

static PyObject *conn_sent(PyObject *self, PyObject *Py_UNUSED(none)) {
    return done(tsc_conn_sent(((Conn *)self)->conn));
}

static PyObject *conn_wants_another(PyObject *self, PyObject *Py_UNUSED(none)) {
    tsc_status status = tsc_conn_wants_another(((Conn *)self)->conn);
    if (status != TSC_OK && status != TSC_DISCARDED)
        return raise_status(status);
    return PyBool_FromLong(status == TSC_OK);
}

static PyObject *conn_receive(PyObject *object, PyObject *args) {
    Conn *self = (Conn *)object;
    PyObject *session;
    tsc_session_info info = {0};
    unsigned long bytes;
    long long not_after = 0;
    if (!PyArg_ParseTuple(args, "OIIk|L", &session, &info.tls_version, &info.lifetime_seconds,
                          &bytes, &not_after))
        return NULL;
    info.not_after = not_after;
    held *one = held_new(&self->config->all, session);
    if (one == NULL)
        return PyErr_NoMemory();
    tsc_status status =
        tsc_conn_receive_object(self->conn, &info, sizeof info, one, bytes, held_release);
    if (status != TSC_OK)
        held_release(one);
    if (status != TSC_OK && status != TSC_DISCARDED)
        return raise_status(status);
    return PyBool_FromLong(status == TSC_OK);
}

static PyObject *conn_established(PyObject *self, PyObject *args) {
    int resumed;
    if (!PyArg_ParseTuple(args, "p", &resumed))
        return NULL;
    return done(tsc_conn_established(((Conn *)self)->conn, resumed));
}

static PyObject *conn_failed(PyObject *self, PyObject *args) {
    unsigned int why;
    if (!PyArg_ParseTuple(args, "I", &why))
        return NULL;
    return done(tsc_conn_failed(((Conn *)self)->conn, why));
}

/* None, or a descriptor to wait for, which is lent: tsc_conn_wait would block greenlets and tasks,
 * and a callback would run Python inside the calls of others, the collector's among them. */
static PyObject *conn_wait_fd(PyObject *self, PyObject *args) {
    unsigned int max_wait_ms;
    int32_t fd;
    if (!PyArg_ParseTuple(args, "I", &max_wait_ms))
        return NULL;
    tsc_status status = tsc_conn_wait_fd(((Conn *)self)->conn, max_wait_ms, &fd);
    return status == TSC_WAIT ? PyLong_FromLong(fd) : done(status);
}

static PyObject *conn_info(PyObject *self, PyObject *Py_UNUSED(none)) {
    tsc_conn_info i = {0};
    tsc_status status = tsc_conn_info_get(((Conn *)self)->conn, &i, sizeof i);
    if (status != TSC_OK)
        return raise_status(status);
    return Py_BuildValue("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "state", i.state, "offered", i.offered,
                         "resumed", i.resumed, "refused", i.refused, "received", i.received,
                         "stored", i.stored, "discarded", i.discarded);
}

static PyMethodDef methods[] = {{"offer", conn_offer, METH_NOARGS, NULL},
                                {"sent", conn_sent, METH_NOARGS, NULL},
                                {"wants_another", conn_wants_another, METH_NOARGS, NULL},
                                {"receive", conn_receive, METH_VARARGS, NULL},
                                {"established", conn_established, METH_VARARGS, NULL},
                                {"failed", conn_failed, METH_VARARGS, NULL},
                                {"wait_fd", conn_wait_fd, METH_VARARGS, NULL},
                                {"info", conn_info, METH_NOARGS, NULL},
                                {0}};
static PyType_Slot slots[] = {{Py_tp_new, no_new},
                              {Py_tp_dealloc, conn_dealloc},
                              {Py_tp_traverse, conn_traverse},
                              {Py_tp_methods, methods},
                              {0, NULL}};
PyType_Spec conn_spec = {"tsc._tsc.Conn", sizeof(Conn), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                         slots};
