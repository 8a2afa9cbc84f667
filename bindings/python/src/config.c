#include "module.h"

PyTypeObject *ConfigType;

PyObject *config_new(Cache *cache, long long client_not_after) {
    Config *self = (Config *)PyType_GenericAlloc(ConfigType, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(cache);
    self->cache = cache;
    tsc_config_options options = {.client_not_after = client_not_after};
    tsc_status status = tsc_config_new(cache->cache, &options, sizeof options, &self->config);
    if (status != TSC_OK) {
        Py_DECREF(self);
        return raise_status(status);
    }
    return (PyObject *)self;
}

static int config_traverse(PyObject *object, visitproc visit, void *arg) {
    Config *self = (Config *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->cache);
    for (held *one = self->all; one != NULL; one = one->next)
        Py_VISIT(one->object);
    return 0;
}

static int config_clear(PyObject *object) {
    held_clear_all((Config *)object);
    return 0;
}

static void config_dealloc(PyObject *object) {
    Config *self = (Config *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    config_clear(object);
    tsc_config_free(self->config);
    Py_XDECREF(self->cache);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

int endpoint_from(PyObject *args, const char *format, tsc_endpoint *endpoint, void *more[4]) {
    const char *host, *server_name = NULL;
    Py_ssize_t host_len, server_name_len = 0;
    unsigned int port;
    PyObject *tuple;
    if (!PyArg_ParseTuple(args, format, &PyTuple_Type, &tuple, more[0], more[1], more[2], more[3]))
        return 0;
    if (!PyArg_ParseTuple(tuple, "s#I|z#", &host, &host_len, &port, &server_name, &server_name_len))
        return 0;
    *endpoint = (tsc_endpoint){.host = (const uint8_t *)host,
                               .host_len = (size_t)host_len,
                               .server_name = (const uint8_t *)server_name,
                               .server_name_len = (size_t)server_name_len,
                               .port = port};
    return 1;
}

static PyObject *config_conn(PyObject *self, PyObject *args) {
    tsc_endpoint endpoint;
    void *more[4] = {0};
    if (!endpoint_from(args, "O!", &endpoint, more))
        return NULL;
    return conn_new((Config *)self, &endpoint);
}

static PyObject *config_available(PyObject *self, PyObject *args) {
    tsc_endpoint endpoint;
    void *more[4] = {0};
    size_t count = 0;
    if (!endpoint_from(args, "O!", &endpoint, more))
        return NULL;
    tsc_status status =
        tsc_config_available(((Config *)self)->config, &endpoint, sizeof endpoint, &count);
    if (status != TSC_OK)
        return raise_status(status);
    return PyLong_FromSize_t(count);
}

/* A whole life of a conn in one call, for callers that keep sessions by hand: it offers, and that
 * is all that will be known of it. */
static PyObject *config_take(PyObject *object, PyObject *args) {
    Config *self = (Config *)object;
    tsc_endpoint endpoint;
    tsc_conn *conn;
    tsc_session session = {0};
    void *more[4] = {0};
    if (!endpoint_from(args, "O!", &endpoint, more))
        return NULL;
    tsc_status status = tsc_conn_new(self->config, &endpoint, sizeof endpoint, &conn);
    if (status != TSC_OK)
        return raise_status(status);
    PyObject *result = NULL;
    status = tsc_conn_offer(conn, &session, sizeof session);
    if (status == TSC_OK) {
        tsc_conn_sent(conn);
        result = ((held *)session.object)->object;
        Py_XINCREF(result);
    }
    tsc_conn_free(conn);
    if (status != TSC_OK && status != TSC_NOT_FOUND)
        return raise_status(status);
    if (result == NULL)
        Py_RETURN_NONE;
    return result;
}

/* The same for a session that comes, of a connection that the caller says is established. */
static PyObject *config_give(PyObject *object, PyObject *args) {
    Config *self = (Config *)object;
    tsc_endpoint endpoint;
    tsc_conn *conn;
    tsc_session_info info = {0};
    PyObject *session;
    unsigned long bytes;
    void *more[4] = {&session, &info.tls_version, &info.lifetime_seconds, &bytes};
    if (!endpoint_from(args, "O!OIIk", &endpoint, more))
        return NULL;
    tsc_status status = tsc_conn_new(self->config, &endpoint, sizeof endpoint, &conn);
    if (status != TSC_OK)
        return raise_status(status);
    held *one = held_new(self, session);
    if (one == NULL) {
        tsc_conn_free(conn);
        return PyErr_NoMemory();
    }
    status = tsc_conn_receive_object(conn, &info, sizeof info, one, bytes, held_release);
    if (status == TSC_OK)
        tsc_conn_established(conn, 0);
    else
        held_release(one);
    tsc_conn_free(conn);
    if (status != TSC_OK && status != TSC_DISCARDED)
        return raise_status(status);
    return PyBool_FromLong(status == TSC_OK);
}

static PyMethodDef methods[] = {{"conn", config_conn, METH_VARARGS, NULL},
                                {"available", config_available, METH_VARARGS, NULL},
                                {"take", config_take, METH_VARARGS, NULL},
                                {"give", config_give, METH_VARARGS, NULL},
                                {0}};
static PyType_Slot slots[] = {{Py_tp_dealloc, config_dealloc},
                              {Py_tp_traverse, config_traverse},
                              {Py_tp_clear, config_clear},
                              {Py_tp_methods, methods},
                              {0, NULL}};
PyType_Spec config_spec = {"tsc._tsc.Config", sizeof(Config), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
