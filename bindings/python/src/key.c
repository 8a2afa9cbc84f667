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

int key_of(PyObject *endpoint, key *key) {
    const char *host, *server_name = NULL;
    Py_ssize_t host_len, server_name_len = 0;
    int port;
    PyObject *made = NULL;
    if (!PyTuple_Check(endpoint)) {
        PyObject *address = PyObject_GetAttrString(endpoint, "address");
        PyObject *number = address == NULL ? NULL : PyObject_GetAttrString(endpoint, "port");
        PyObject *name = number == NULL ? NULL : server_name_of(endpoint);
        if (name != NULL)
            made = PyTuple_Pack(3, address, number, name);
        Py_XDECREF(address);
        Py_XDECREF(number);
        Py_XDECREF(name);
        if (made == NULL)
            return 0;
        endpoint = made;
    }
    int ok = PyArg_ParseTuple(endpoint, "s#i|z#", &host, &host_len, &port, &server_name,
                              &server_name_len);
    if (ok && (host_len == 0 || port < 0 || port > 65535)) {
        raise_status(TSC_INVALID_ARGUMENT);
        ok = 0;
    }
    if (ok && (size_t)host_len + (size_t)server_name_len + 5 > sizeof key->bytes) {
        raise_status(TSC_TOO_LARGE);
        ok = 0;
    }
    if (ok) {
        uint8_t *to = key->bytes;
        *to++ = (uint8_t)(port >> 8);
        *to++ = (uint8_t)port;
        *to++ = (uint8_t)(host_len >> 8);
        *to++ = (uint8_t)host_len;
        memcpy(to, host, (size_t)host_len);
        to += host_len;
        if (server_name != NULL) {
            *to++ = 1;
            memcpy(to, server_name, (size_t)server_name_len);
            to += server_name_len;
        }
        key->len = (size_t)(to - key->bytes);
    }
    Py_XDECREF(made);
    return ok;
}

void endpoint_of_key(const uint8_t *key, size_t len, tsc_endpoint *endpoint) {
    endpoint->port = (uint32_t)key[0] << 8 | key[1];
    endpoint->host_len = (size_t)key[2] << 8 | key[3];
    endpoint->host = key + 4;
    const uint8_t *end = endpoint->host + endpoint->host_len;
    int named = end != key + len;
    endpoint->server_name = named ? end + 1 : NULL;
    endpoint->server_name_len = named ? (size_t)(key + len - end - 1) : 0;
}
