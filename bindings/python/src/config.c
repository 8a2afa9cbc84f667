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

static PyObject *config_attempt(PyObject *self, PyObject *args) {
    const char *host, *server_name = NULL;
    Py_ssize_t host_len, server_name_len = 0;
    PyObject *address;
    tsc_endpoint endpoint = {0};
    if (!PyArg_ParseTuple(args, "O!", &PyTuple_Type, &address) ||
        !PyArg_ParseTuple(address, "s#I|z#", &host, &host_len, &endpoint.port, &server_name,
                          &server_name_len))
        return NULL;
    endpoint.host = (const uint8_t *)host;
    endpoint.host_len = (size_t)host_len;
    endpoint.server_name = (const uint8_t *)server_name;
    endpoint.server_name_len = (size_t)server_name_len;
    return attempt_new((Config *)self, &endpoint);
}

static PyMethodDef methods[] = {{"attempt", config_attempt, METH_VARARGS, NULL}, {0}};
static PyType_Slot slots[] = {
    {Py_tp_new, no_new},         {Py_tp_dealloc, config_dealloc}, {Py_tp_traverse, config_traverse},
    {Py_tp_clear, config_clear}, {Py_tp_methods, methods},        {0, NULL}};
PyType_Spec config_spec = {"tsc._tsc.Config", sizeof(Config), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
