#include "module.h"

/* The server name of a driver's endpoint, or None: several nodes may be behind one proxy.
 * cassandra-driver has it among the options for ssl. */
static PyObject *server_name_of(PyObject *endpoint) {
    PyObject *name = NULL, *options = PyObject_GetAttrString(endpoint, "ssl_options");
    if (options == NULL && PyErr_ExceptionMatches(PyExc_AttributeError))
        PyErr_Clear();
    else if (options == NULL)
        return NULL;
    else if (PyDict_Check(options))
        name = PyDict_GetItemString(options, "server_hostname");
    name = name == NULL ? Py_None : name;
    Py_INCREF(name);
    Py_XDECREF(options);
    return name;
}

/* A driver's endpoint as a tuple. */
static PyObject *tuple_of(PyObject *endpoint) {
    PyObject *tuple = NULL;
    PyObject *address = PyObject_GetAttrString(endpoint, "address");
    PyObject *port = address == NULL ? NULL : PyObject_GetAttrString(endpoint, "port");
    PyObject *name = port == NULL ? NULL : server_name_of(endpoint);
    if (name != NULL)
        tuple = PyTuple_Pack(3, address, port, name);
    Py_XDECREF(address);
    Py_XDECREF(port);
    Py_XDECREF(name);
    return tuple;
}

int endpoint_by_hand(PyObject *of, tsc_endpoint *endpoint, PyObject **owner) {
    const char *host, *server_name = NULL;
    Py_ssize_t host_len, server_name_len = 0;
    int port;
    *owner = NULL;
    if (!PyTuple_Check(of) && (of = *owner = tuple_of(of)) == NULL)
        return 0;
    if (!PyArg_ParseTuple(of, "s#i|z#", &host, &host_len, &port, &server_name, &server_name_len)) {
        Py_CLEAR(*owner);
        return 0;
    }
    *endpoint = (tsc_endpoint){.host = (const uint8_t *)host,
                               .host_len = (size_t)host_len,
                               .port = (uint32_t)port,
                               .server_name = (const uint8_t *)server_name,
                               .server_name_len = (size_t)server_name_len};
    return 1;
}
