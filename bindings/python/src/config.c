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
    return cached_objects_visit(self->objects, visit, arg);
}

static int config_clear(PyObject *object) {
    cached_objects_clear(&((Config *)object)->objects);
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

/* What the attempts of a config call an endpoint: (host, port, server name, group, verification),
 * of which the first two are needed. Lent by the tuple. Returns 0 if it raised. */
static int endpoint_of(PyObject *address, tsc_endpoint *endpoint) {
    const char *host, *server_name = NULL, *group = NULL, *verification = NULL;
    Py_ssize_t host_len, server_name_len = 0, group_len = 0, verification_len = 0;
    memset(endpoint, 0, sizeof *endpoint);
    if (!PyTuple_Check(address)) {
        PyErr_SetString(PyExc_TypeError, "an endpoint is a tuple here");
        return 0;
    }
    if (!PyArg_ParseTuple(address, "s#I|z#z#z#", &host, &host_len, &endpoint->port, &server_name,
                          &server_name_len, &group, &group_len, &verification, &verification_len))
        return 0;
    endpoint->host = (const uint8_t *)host;
    endpoint->host_len = (size_t)host_len;
    endpoint->server_name = (const uint8_t *)server_name;
    endpoint->server_name_len = (size_t)server_name_len;
    endpoint->group = (const uint8_t *)group;
    endpoint->group_len = (size_t)group_len;
    endpoint->verification = (const uint8_t *)verification;
    endpoint->verification_len = (size_t)verification_len;
    return 1;
}

static PyObject *config_attempt(PyObject *self, PyObject *address) {
    tsc_endpoint endpoint;
    return endpoint_of(address, &endpoint) ? attempt_new((Config *)self, &endpoint) : NULL;
}

static PyObject *config_available(PyObject *self, PyObject *address) {
    tsc_endpoint endpoint;
    size_t count;
    if (!endpoint_of(address, &endpoint))
        return NULL;
    tsc_status status =
        tsc_config_available(((Config *)self)->config, &endpoint, sizeof endpoint, &count);
    return status == TSC_OK ? PyLong_FromSize_t(count) : raise_status(status);
}

static PyMethodDef methods[] = {
    {"attempt", config_attempt, METH_O, NULL}, {"available", config_available, METH_O, NULL}, {0}};
static PyType_Slot slots[] = {
    {Py_tp_new, no_new},         {Py_tp_dealloc, config_dealloc}, {Py_tp_traverse, config_traverse},
    {Py_tp_clear, config_clear}, {Py_tp_methods, methods},        {0, NULL}};
PyType_Spec config_spec = {"tsc._tsc.Config", sizeof(Config), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
